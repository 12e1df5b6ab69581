using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>An authority, and the place where it publishes what it has revoked (RFC 5280, section 5): an HTTP server on loopback.</summary>
internal sealed class RevocationList : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CertificateRevocationListBuilder _revoked = new();
    private readonly List<byte[]> _published = [];
    private readonly Task _serving;
    private int _requests;

    public RevocationList()
    {
        // A name of its own: the runtime keeps lists on disk, by the names of their authorities and places.
        Authority = TestCertificates.CreateRoot($"authority {Guid.NewGuid():N}");
        _listener.Start();
        Place = new Uri($"http://{_listener.LocalEndpoint}/revoked.crl");
        _serving = ServeAsync();
    }

    public X509Certificate2 Authority { get; }

    public Uri Place { get; }

    public int Requests => Volatile.Read(ref _requests);

    public void Revoke(X509Certificate2 certificate) => _revoked.AddEntry(certificate);

    /// <summary>Nobody answers from here on.</summary>
    public async Task CloseAsync()
    {
        _listener.Stop();
        await _serving.WaitAsync(TlsTest.Limit, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Authority.Dispose();

        // What the runtime has kept for this user.
        var kept = new DirectoryInfo(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".dotnet", "corefx", "cryptography", "crls"));
        foreach (var file in kept.Exists ? kept.GetFiles("*.crl") : [])
        {
            if (IsPublished(await File.ReadAllTextAsync(file.FullName)))
            {
                file.Delete();
            }
        }
    }

    private bool IsPublished(string kept) => PemEncoding.TryFind(kept, out var fields)
        && Convert.FromBase64String(kept[fields.Base64Data]) is var list && _published.Exists(published => published.AsSpan().SequenceEqual(list));

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptSocketAsync();
                await AnswerAsync(client);
            }
        }
        catch (Exception exception) when (exception is SocketException or InvalidOperationException)
        {
            // Closed, during an accept or between two.
        }
    }

    private async Task AnswerAsync(Socket client)
    {
        Interlocked.Increment(ref _requests);
        var buffer = new byte[4096];
        var length = 0;
        while (!buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            length += await client.ReceiveAsync(buffer.AsMemory(length));
        }

        var now = TimeProvider.System.GetUtcNow();
        var list = _revoked.Build(Authority, crlNumber: _published.Count + 1, nextUpdate: now.AddHours(1), HashAlgorithmName.SHA256, thisUpdate: now.AddHours(-1));
        _published.Add(list);
        await client.SendAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-crl\r\nContent-Length: {list.Length}\r\nConnection: close\r\n\r\n"));
        await client.SendAsync(list);
        client.Shutdown(SocketShutdown.Send);
    }
}
