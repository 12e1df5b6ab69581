using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.LoadTest.Contestants;

/// <summary>SslStream on a socket's own stream, and a loop that reads and writes: the limit for TLS that is built on SslStream.</summary>
internal static class RawSslStreamContestant
{
    // One message of the largest scenario.
    private const int BufferSize = 16 * 1024;

    public static Task<RunningServer> StartAsync(X509Certificate2 certificate)
    {
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true),
        };
        return AcceptedSockets.ServeAsync(socket => _ = ServeAsync(socket, options));
    }

    private static async Task ServeAsync(Socket socket, SslServerAuthenticationOptions options)
    {
        try
        {
            using var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await stream.AuthenticateAsServerAsync(options);
            var buffer = new byte[BufferSize];
            while (await stream.ReadAsync(buffer) is > 0 and var count)
            {
                await stream.WriteAsync(buffer.AsMemory(0, count));
            }

            await stream.ShutdownAsync();
        }
        catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client has ended it, and says why.
        }
    }
}
