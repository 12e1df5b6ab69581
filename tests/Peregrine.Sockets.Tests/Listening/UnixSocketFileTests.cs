using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Listening;

public sealed class UnixSocketFileTests : IAsyncDisposable
{
    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly SocketTransportFactory _transport;
    private readonly string _directory = Directory.CreateTempSubdirectory("peregrine-").FullName;

    private string SocketPath => Path.Combine(_directory, "server.sock");

    public UnixSocketFileTests() => _transport = new(new SocketTransportOptions { MemoryPool = _pool }, NullLoggerFactory.Instance);

    public async ValueTask DisposeAsync()
    {
        Directory.Delete(_directory, recursive: true);
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    [Fact]
    public async Task A_connection_over_a_path_carries_bytes_and_the_file_goes_with_the_listener()
    {
        var endPoint = new UnixDomainSocketEndPoint(SocketPath);
        await using (var listener = await _transport.BindAsync(endPoint))
        {
            await AssertCarriesBytesAsync(listener);
        }

        Assert.False(Path.Exists(SocketPath));
    }

    [Fact]
    public async Task An_abstract_name_needs_no_file()
    {
        await using var listener = await _transport.BindAsync(new UnixDomainSocketEndPoint("\0peregrine-test-" + Guid.NewGuid().ToString("N")));
        await AssertCarriesBytesAsync(listener);
    }

    [Fact]
    public async Task A_stale_file_is_replaced()
    {
        LeaveStaleSocket();
        Assert.True(Path.Exists(SocketPath));

        await using var listener = await _transport.BindAsync(new UnixDomainSocketEndPoint(SocketPath));
        await AssertCarriesBytesAsync(listener);
    }

    [Fact]
    public async Task A_live_socket_is_left_alone()
    {
        await using var listener = await _transport.BindAsync(new UnixDomainSocketEndPoint(SocketPath));
        var exception = await Assert.ThrowsAsync<AddressInUseException>(
            async () => await _transport.BindAsync(new UnixDomainSocketEndPoint(SocketPath)));
        Assert.Contains(SocketPath, exception.Message, StringComparison.Ordinal);
        Assert.True(Path.Exists(SocketPath));
    }

    [Fact]
    public async Task A_file_that_is_no_socket_is_left_alone()
    {
        await File.WriteAllTextAsync(SocketPath, "precious");
        var exception = await Assert.ThrowsAsync<AddressInUseException>(
            async () => await _transport.BindAsync(new UnixDomainSocketEndPoint(SocketPath)));
        Assert.Contains("is not a socket", exception.Message, StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(SocketPath));
    }

    private async Task AssertCarriesBytesAsync(IConnectionListener listener)
    {
        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        await client.Transport.Output.WriteAsync("hello"u8.ToArray());
        ConnectionContext? server;
        do
        {
            // A probe for a live listener may have been queued before the client.
            server = await listener.AcceptAsync().Bounded();
            var result = await server!.Transport.Input.ReadAtLeastAsync(5).Bounded();
            if (result.Buffer.Length == 5)
            {
                break;
            }

            await server.DisposeAsync();
        }
        while (true);

        client.Abort();
        await server.DisposeAsync();
    }

    private void LeaveStaleSocket()
    {
        // Bound under another name and moved, so that closing the listener does not remove the file: as after a kill.
        var other = Path.Combine(_directory, "other.sock");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(other));
        socket.Listen();
        File.Move(other, SocketPath);
    }
}
