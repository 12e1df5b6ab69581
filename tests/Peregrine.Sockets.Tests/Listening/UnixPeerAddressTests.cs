using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Sockets.Tests.Listening;

/// <summary>Clients of Unix domain sockets that have an address of their own, which is theirs to choose.</summary>
public sealed class UnixPeerAddressTests : IDisposable
{
    // sun_path of unix(7), without its terminating zero.
    private const int LongestPath = 107;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("p-");

    [LinuxTheory]
    [InlineData(TestedSocket.ThreadPool, 0)]
    [InlineData(TestedSocket.ThreadPool, 1)]
    [InlineData(TestedSocket.ThreadPool, LongestPath)]
    [InlineData(TestedSocket.EventLoop, LongestPath)]
    [InlineData(TestedSocket.EventArgs, LongestPath)]
    public async Task A_client_whose_path_is_longer_than_the_listeners_is_served(TestedSocket tested, int atLeast)
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { Tested = tested }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(Path.Combine(_folder.FullName, "s")));
        for (var round = 0; round < 3; round++)
        {
            // Once while an accept waits, and once with the connection in the queue.
            var accepting = round == 1 ? default : listener.AcceptAsync();
            using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            var path = Path.Combine(_folder.FullName, $"client{round}");
            path += new string('x', Math.Max(0, atLeast - path.Length));
            client.Bind(new UnixDomainSocketEndPoint(path));
            await client.ConnectAsync(listener.EndPoint).Bounded();
            var connection = (await (round == 1 ? listener.AcceptAsync() : accepting).Bounded())!;
            Assert.Equal(path, connection.RemoteEndPoint!.ToString());
            await client.SendAsync("hello"u8.ToArray());
            var read = await connection.Transport.Input.ReadAsync().Bounded();
            await connection.Transport.Output.WriteAsync(read.Buffer.First);
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            Assert.Equal(5, await client.ReceiveAsync(new byte[16]).Bounded());
            client.Dispose();
            await connection.DisposeAsync().Bounded();
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
