using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Peregrine.Server.Tests.Admin;

/// <summary>A tool that speaks the admin socket's protocol by hand, as one of another maker would.</summary>
internal sealed class AdminClient : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StringBuilder _received = new();

    public static async Task<AdminClient> ConnectAsync(string path)
    {
        var client = new AdminClient();
        await client._socket.ConnectAsync(new UnixDomainSocketEndPoint(path)).InTimeAsync();
        return client;
    }

    public async Task SendAsync(string text) => await _socket.SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task<JsonObject> AskAsync(string request)
    {
        await SendAsync(request + "\n");
        return await ReceiveAsync() ?? throw new InvalidOperationException("The server has closed the connection.");
    }

    /// <summary>The next line; null at the end.</summary>
    public async Task<JsonObject?> ReceiveAsync()
    {
        var buffer = new byte[65_536];
        while (true)
        {
            var text = _received.ToString();
            var end = text.IndexOf('\n', StringComparison.Ordinal);
            if (end >= 0)
            {
                _received.Remove(0, end + 1);
                return JsonNode.Parse(text[..end])!.AsObject();
            }

            var count = await _socket.ReceiveAsync(buffer.AsMemory()).AsTask().InTimeAsync();
            if (count == 0)
            {
                return null;
            }

            _received.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
    }

    public void Dispose() => _socket.Dispose();
}
