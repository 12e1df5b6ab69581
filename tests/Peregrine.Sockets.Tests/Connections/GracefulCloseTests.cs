using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class EventArgsGracefulCloseTests() : GracefulCloseTests(TestedSocket.EventArgs);

public sealed class ThreadPoolGracefulCloseTests() : GracefulCloseTests(TestedSocket.ThreadPool);

public sealed class EventLoopGracefulCloseTests() : GracefulCloseTests(TestedSocket.EventLoop);

/// <summary>The close sequence against real sockets whose other side does not play along.</summary>
public abstract class GracefulCloseTests(TestedSocket tested) : IAsyncDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly Socket _client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private const int FullWindow = 200_000;

    private IConnectionListener? _listener;
    private ConnectionContext? _server;

    [Fact]
    public async Task Everything_arrives_although_the_client_left_bytes_unread_here()
    {
        var server = await AcceptAsync();
        await _client.SendAsync("nobody reads this"u8.ToArray());
        var closing = CloseAfterAsync(server, server.Transport.Output.WriteAsync(new byte[1_000_000]).AsTask());
        Assert.Equal(1_000_000, await ReceiveToEndAsync());
        _client.Dispose();
        await closing.Bounded();
    }

    [Fact]
    public async Task Everything_arrives_although_the_client_sends_after_the_close()
    {
        var server = await AcceptAsync();
        var closing = CloseAfterAsync(server, server.Transport.Output.WriteAsync(new byte[1_000_000]).AsTask());
        var received = 0;
        var buffer = new byte[10_000];
        while (await _client.ReceiveAsync(buffer).Bounded() is > 0 and var count)
        {
            received += count;
            await _client.SendAsync("more"u8.ToArray());
        }

        Assert.Equal(1_000_000, received);
        _client.Dispose();
        await closing.Bounded();
    }

    [Fact]
    public async Task A_silent_peer_is_waited_for_five_seconds()
    {
        var server = await AcceptAsync();
        var closing = server.DisposeAsync().AsTask();
        Assert.Equal(0, await ReceiveToEndAsync());
        await AcknowledgedAsync(server);
        var socket = server.Features.Get<IConnectionSocketFeature>()!.Socket;
        for (var second = 0; second < 5; second++)
        {
            Assert.False(socket.SafeHandle.IsClosed);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(socket.SafeHandle.IsClosed);
        await closing.Bounded();
    }

    [Fact]
    public async Task A_peer_that_never_stops_sending_is_ended_after_thirty_seconds()
    {
        var server = await AcceptAsync();
        var closing = server.DisposeAsync().AsTask();
        Assert.Equal(0, await ReceiveToEndAsync());
        await AcknowledgedAsync(server);
        var socket = server.Features.Get<IConnectionSocketFeature>()!.Socket;
        for (var second = 0; second < 30; second++)
        {
            Assert.False(socket.SafeHandle.IsClosed);
            await _client.SendAsync("x"u8.ToArray());
            await UntilAsync(() => socket.Available == 0);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(socket.SafeHandle.IsClosed);
        await closing.Bounded();
    }

    [Fact]
    public async Task A_slow_peer_that_goes_on_taking_one_large_block_gets_all_of_it()
    {
        const int Size = 64 << 20;
        var server = await AcceptAsync();
        server.Transport.Output.GetMemory(Size);
        server.Transport.Output.Advance(Size);
        var closing = server.DisposeAsync().AsTask();
        var buffer = new byte[1 << 20];
        var received = 0;
        while (await _client.ReceiveAsync(buffer).Bounded() is > 0 and var count)
        {
            // Much more often than once in a minute of this clock, but for more than a minute in all.
            if (received >> 21 != (received + count) >> 21)
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
            }

            received += count;
        }

        Assert.Equal(Size, received);
        _client.Dispose();
        await closing.Bounded();
    }

    [Fact]
    public async Task A_read_that_is_pending_at_the_close_does_not_keep_it_from_discarding()
    {
        // Whether the peer's bytes meet the completion at work is a matter of time: many tries, and a clock that never ends the wait.
        for (var i = 0; i < 300; i++)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            var server = await AcceptAsync(client);
            var reading = server.Transport.Input.ReadAsync().AsTask();
            var sending = client.SendAsync(new byte[100]);
            var closing = CloseAfterAsync(server, server.Transport.Output.WriteAsync(new byte[1000]).AsTask());
            await sending;
            await client.SendAsync(new byte[100]);
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal(1000, await ReceiveToEndAsync(client));
            await closing.Bounded();
            try
            {
                await reading.Bounded();
            }
            catch (InvalidOperationException)
            {
                // Completed before anything came.
            }
        }
    }

    [Fact]
    public async Task A_peer_that_does_not_take_what_is_left_is_reset_after_a_minute()
    {
        var server = await AcceptAsync();
        var sending = server.Transport.Output.WriteAsync(new byte[32 << 20]).AsTask();
        server.Transport.Output.CancelPendingFlush();
        Assert.True((await sending.Bounded()).IsCanceled);
        var closing = server.DisposeAsync().AsTask();
        await AdvanceAsync(seconds: 55, () => !closing.IsCompleted);
        await AdvanceUntilAsync(closing);
        Assert.Equal(ConnectionCloseReason.Aborted, server.Features.Get<IConnectionCloseFeature>()!.Reason);
        await Assert.ThrowsAsync<SocketException>(ReceiveToEndAsync);
    }

    [Fact]
    public async Task An_abort_ends_the_wait_for_the_peer()
    {
        var server = await AcceptAsync();
        var closing = server.DisposeAsync().AsTask();
        Assert.Equal(0, await ReceiveToEndAsync());
        Assert.False(closing.IsCompleted);
        server.Abort();
        await closing.Bounded();
    }

    [Fact]
    public async Task A_peer_that_closed_first_is_not_waited_for()
    {
        var server = await AcceptAsync();
        _client.Shutdown(SocketShutdown.Send);
        var read = await server.Transport.Input.ReadAsync().Bounded();
        Assert.True(read.IsCompleted);
        server.Transport.Input.AdvanceTo(read.Buffer.End);
        await server.DisposeAsync().Bounded();
        Assert.Equal(0, await ReceiveToEndAsync());
    }

    [LinuxFact]
    public async Task A_slow_peer_that_goes_on_taking_what_the_kernel_holds_gets_all_of_it()
    {
        var closing = await CloseWithFullWindowAsync();
        var buffer = new byte[2048];
        var received = 0;
        for (var second = 0; second < 60; second++)
        {
            // Longer than the silence and the total together, and slow.
            received += await _client.ReceiveAsync(buffer).Bounded();
            await AdvanceAsync(seconds: 1, () => !closing.IsCompleted);
        }

        Assert.Equal(FullWindow, received + await ReceiveToEndAsync());
        _client.Dispose();
        await closing.Bounded();
    }

    [LinuxFact]
    public async Task A_peer_that_closed_first_and_takes_nothing_of_what_the_kernel_holds_is_reset_and_counted()
    {
        var closing = await CloseWithFullWindowAsync(peerClosesFirst: true);
        await AdvanceAsync(seconds: 55, () => !closing.IsCompleted);
        await AdvanceUntilAsync(closing);
        Assert.True(_server!.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
        await Assert.ThrowsAsync<SocketException>(ReceiveToEndAsync);
    }

    [LinuxFact]
    public async Task A_peer_that_closed_first_gets_what_the_kernel_holds()
    {
        var closing = await CloseWithFullWindowAsync(peerClosesFirst: true);
        await AdvanceAsync(seconds: 55, () => !closing.IsCompleted);
        Assert.Equal(FullWindow, await ReceiveToEndAsync());
        await AcknowledgedAsync(_server!);
        await AdvanceUntilAsync(closing);
        Assert.False(_server!.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
    }

    [LinuxFact]
    public async Task A_silent_peer_that_has_everything_reads_to_a_clean_end_and_leaves_no_socket()
    {
        var server = await AcceptAsync();
        await server.Transport.Output.WriteAsync(new byte[10_000]);
        var closing = server.DisposeAsync().AsTask();
        await AcknowledgedAsync(server);
        await AdvanceUntilAsync(closing);

        // Reset from FIN_WAIT2: what this side had acknowledged is still there, and so is the end.
        Assert.Equal(10_000, await ReceiveToEndAsync());
        Assert.False(server.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
        await Assert.ThrowsAsync<SocketException>(async () => await _client.SendAsync("x"u8.ToArray()));
    }

    [LinuxFact]
    public async Task A_peer_that_closed_first_and_resets_is_not_waited_for()
    {
        var server = await AcceptAsync();
        _client.Dispose();
        var read = await server.Transport.Input.ReadAsync().Bounded();
        server.Transport.Input.AdvanceTo(read.Buffer.End);

        // Nobody is there to take it, and the answer is a reset, which no receive tells of after a FIN.
        await server.Transport.Output.WriteAsync("answer"u8.ToArray()).Bounded();
        await server.DisposeAsync().AsTask().Bounded();
        Assert.Equal(ConnectionCloseReason.PeerClosed, server.Features.Get<IConnectionCloseFeature>()!.Reason);
    }

    [LinuxFact]
    public async Task A_peer_that_closed_first_and_resets_later_is_not_waited_for()
    {
        var closing = await CloseWithFullWindowAsync(peerClosesFirst: true);
        await AdvanceAsync(seconds: 3, () => !closing.IsCompleted);
        _client.LingerState = new LingerOption(true, 0);
        _client.Dispose();
        await AdvanceAsync(seconds: 2, () => true);
        await closing.Bounded();
        Assert.False(_server!.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
    }

    [LinuxFact]
    public async Task A_peer_that_sends_too_much_is_not_listened_to_and_still_gets_everything()
    {
        var closing = await CloseWithFullWindowAsync(close: new CloseOptions { DiscardLimitInBytes = 10_000 });
        var sending = _client.SendAsync(new byte[8 << 20]).ContinueWith(_ => { }, TaskScheduler.Default);
        await AdvanceAsync(seconds: 5, () => !closing.IsCompleted && !sending.IsCompleted);
        Assert.Equal(FullWindow, await ReceiveToEndAsync());
        await AcknowledgedAsync(_server!);
        await AdvanceUntilAsync(closing);
        await sending.Bounded();
    }

    [Fact]
    public async Task Of_too_many_that_wait_for_their_peers_the_oldest_is_released()
    {
        var clients = Enumerable.Range(0, 3).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        var closing = new List<Task>();
        foreach (var client in clients)
        {
            var server = await AcceptAsync(client, close: new CloseOptions { MaxLingering = 2 });
            await server.Transport.Output.WriteAsync(new byte[1000]);
            closing.Add(server.DisposeAsync().AsTask());
            Assert.Equal(1000, await ReceiveToEndAsync(client));

            // The latest at which it is seen that the peer has everything; three of them are less than the silence that ends a close.
            await AcknowledgedAsync(server);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        await closing[0].Bounded();
        Assert.False(closing[1].IsCompleted || closing[2].IsCompleted);
        clients.ForEach(client => client.Dispose());
        await Task.WhenAll(closing).Bounded();
    }

    [Fact]
    public async Task Peers_that_have_not_taken_everything_are_never_too_many()
    {
        const int Size = 100_000;
        var clients = Enumerable.Range(0, 10).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 })
            .ToList();
        var closing = new List<Task>();
        foreach (var client in clients)
        {
            var server = await AcceptAsync(
                client, close: new CloseOptions { MaxLingering = 2 }, socket: new SocketOptions { UnsentLowWatermarkInBytes = 0, SendBufferSizeInBytes = 2 * Size });
            Assert.False((await server.Transport.Output.WriteAsync(new byte[Size]).Bounded()).IsCompleted);
            closing.Add(server.DisposeAsync().AsTask());
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.DoesNotContain(closing, close => close.IsCompleted);
        foreach (var client in clients)
        {
            Assert.Equal(Size, await ReceiveToEndAsync(client));
            client.Dispose();
        }

        await Task.WhenAll(closing).Bounded();
    }

    [LinuxFact]
    public async Task A_peer_that_always_takes_a_little_gets_what_the_close_still_has_to_send()
    {
        // Less at a time than the block that is being sent: only the kernel sees the progress.
        const int Size = 400_000;
        _client.ReceiveBufferSize = 4096;
        var server = await AcceptAsync(close: new CloseOptions { ProgressTimeout = TimeSpan.FromSeconds(3) });
        server.Transport.Output.Write(new byte[Size]);
        var closing = server.DisposeAsync().AsTask();
        var buffer = new byte[4096];
        var received = 0;
        while (await _client.ReceiveAsync(buffer).Bounded() is > 0 and var count)
        {
            received += count;
            _clock.Advance(TimeSpan.FromMilliseconds(500));
        }

        Assert.Equal(Size, received);
        _client.Dispose();
        await closing.Bounded();
    }

    [LinuxFact]
    public async Task An_abort_before_any_close_is_counted_where_something_is_left()
    {
        var server = await AcceptAsync();
        var sending = server.Transport.Output.WriteAsync(new byte[32 << 20]).AsTask();
        server.Abort();
        await sending.Bounded();
        Assert.True(server.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
        await server.DisposeAsync().Bounded();

        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var whole = await AcceptAsync(other);
        await whole.Transport.Output.WriteAsync(new byte[10]);
        await UntilAsync(() => whole.Features.Get<IConnectionTcpInfoFeature>()!.TryGetTcpInfo(out var info) && info.UnacknowledgedBytes == 0);
        whole.Abort();
        Assert.False(whole.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
        await whole.DisposeAsync().Bounded();
    }

    [Fact]
    public async Task An_abort_while_bytes_are_left_is_counted()
    {
        var server = await AcceptAsync();
        var sending = server.Transport.Output.WriteAsync(new byte[32 << 20]).AsTask();
        server.Transport.Output.CancelPendingFlush();
        Assert.True((await sending.Bounded()).IsCanceled);
        var closing = server.DisposeAsync().AsTask();
        server.Abort();
        await closing.Bounded();
        Assert.True(server.Features.Get<IConnectionCloseFeature>()!.IsUnflushed);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    /// <summary>A close that has nothing left to send itself: the kernel has all of it, and the peer's window is full.</summary>
    private async Task<Task> CloseWithFullWindowAsync(bool peerClosesFirst = false, CloseOptions? close = null)
    {
        _client.ReceiveBufferSize = 4096;
        _server = await AcceptAsync(close: close, socket: new SocketOptions { UnsentLowWatermarkInBytes = 0, SendBufferSizeInBytes = 2 * FullWindow });
        var write = await _server.Transport.Output.WriteAsync(new byte[FullWindow]).Bounded();
        Assert.False(write.IsCompleted);
        if (peerClosesFirst)
        {
            _client.Shutdown(SocketShutdown.Send);
            var read = await _server.Transport.Input.ReadAsync().Bounded();
            Assert.True(read.IsCompleted);
            _server.Transport.Input.AdvanceTo(read.Buffer.End);
        }

        return _server.DisposeAsync().AsTask();
    }

    private async Task<ConnectionContext> AcceptAsync(Socket? client = null, CloseOptions? close = null, SocketOptions? socket = null)
    {
        _listener ??= await ListenAsync(close ?? new(), socket ?? new());
        await (client ?? _client).ConnectAsync(_listener.EndPoint);
        return (await _listener.AcceptAsync().Bounded())!;
    }

    private ValueTask<IConnectionListener> ListenAsync(CloseOptions close, SocketOptions socket)
    {
        var settings = new StreamSettings
        {
            Pool = _pool,
            Heartbeat = new Heartbeat(_clock),
            Logger = NullLogger.Instance,
            Close = close,
            Lingering = new LingeringCloses(close.MaxLingering),
        };
        return new SocketTransportFactory(new SocketTransportOptions { Tested = tested, StreamSettings = settings, Socket = socket }, NullLoggerFactory.Instance)
            .BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
    }

    private static async Task CloseAfterAsync(ConnectionContext connection, Task task)
    {
        await task;
        await connection.DisposeAsync();
    }

    private Task<int> ReceiveToEndAsync() => ReceiveToEndAsync(_client);

    private static async Task<int> ReceiveToEndAsync(Socket client)
    {
        var received = 0;
        var buffer = new byte[64 * 1024];
        while (await client.ReceiveAsync(buffer).Bounded() is > 0 and var count)
        {
            received += count;
        }

        return received;
    }

    /// <summary>The peer has acknowledged the FIN: from here on, the time of the close is the clock's alone.</summary>
    private static async Task AcknowledgedAsync(ConnectionContext server)
    {
        var feature = server.Features.Get<IConnectionTcpInfoFeature>();
        await UntilAsync(() => feature is null || !feature.TryGetTcpInfo(out var info) || info.UnacknowledgedBytes + info.UnsentBytes == 0);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var started = TimeProvider.System.GetTimestamp();
        do
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TestTimeout.Limit, "It never came to that.");
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }
        while (!holds());
    }

    /// <summary>Advances the clock second by second until the close is done: when the kernel and the thread pool have let it begin is theirs to say.</summary>
    private Task AdvanceUntilAsync(Task closing) => UntilAsync(() =>
    {
        _clock.Advance(TimeSpan.FromSeconds(1));
        return closing.IsCompleted;
    });

    /// <summary>Advances the clock by seconds, one at a time, with a moment in between for those who might do what must not happen.</summary>
    private async Task AdvanceAsync(int seconds, Func<bool> holds)
    {
        for (var second = 0; second < seconds; second++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(30), TimeProvider.System);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(holds());
    }
}
