using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>
/// A reader and a writer that meet the same end at the same moment. The kernel reports a reset once: to a receive that is on its way back with it, while a
/// send finds what it also finds after the peer's FIN.
/// </summary>
public sealed class ConcurrentEndTests
{
    [Theory]
    [InlineData(SocketError.ConnectionReset, ConnectionCloseReason.PeerReset)]
    [InlineData(SocketError.Success, ConnectionCloseReason.PeerClosed)]
    public async Task The_receive_that_is_under_way_tells_how_it_ended(SocketError received, ConnectionCloseReason expected)
    {
        var completions = new StrongBox<IStreamSocketCompletions>();
        await using var connection = Connect(completions);
        var reading = connection.Input.ReadAsync();
        Assert.True((await connection.Output.WriteAsync(new byte[1])).IsCompleted);

        completions.Value!.OnReceived(new IoResult(0, received));
        if (expected == ConnectionCloseReason.PeerReset)
        {
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await reading);
        }
        else
        {
            Assert.True((await reading).IsCompleted);
        }

        Assert.Equal(expected, connection.Reason);
    }

    [Fact]
    public async Task Without_one_the_peers_FIN_came_first()
    {
        await using var connection = Connect(new StrongBox<IStreamSocketCompletions>());
        Assert.True((await connection.Output.WriteAsync(new byte[1])).IsCompleted);
        Assert.Equal(ConnectionCloseReason.PeerClosed, connection.Reason);
    }

    [Fact]
    public async Task A_reset_behind_bytes_is_told_though_nobody_reads_on()
    {
        var completions = new StrongBox<IStreamSocketCompletions>();
        var receiving = new StrongBox<IReceiveBuffer>();
        var connection = Connect(completions, receiving);
        var reading = connection.Input.ReadAsync();
        receiving.Value!.Rent()[0] = 1;
        completions.Value!.OnReceived(new IoResult(1, SocketError.ConnectionReset));
        var read = await reading;
        Assert.Equal(1, read.Buffer.Length);
        connection.Input.AdvanceTo(read.Buffer.End);

        Assert.True((await connection.Output.WriteAsync(new byte[1])).IsCompleted);
        await connection.DisposeAsync().AsTask().Bounded();
        Assert.Equal(ConnectionCloseReason.PeerReset, connection.Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reset_behind_the_bytes_of_a_cancelled_read_is_told_though_nobody_takes_them(bool isCompletedBefore)
    {
        var completions = new StrongBox<IStreamSocketCompletions>();
        var receiving = new StrongBox<IReceiveBuffer>();
        var connection = Connect(completions, receiving);
        var reading = connection.Input.ReadAsync();
        connection.Input.CancelPendingRead();
        Assert.True((await reading).IsCanceled);
        if (isCompletedBefore)
        {
            connection.Input.Complete();
        }

        Assert.True((await connection.Output.WriteAsync(new byte[1])).IsCompleted);
        receiving.Value!.Rent()[0] = 1;
        completions.Value!.OnReceived(new IoResult(1, SocketError.ConnectionReset));
        await connection.DisposeAsync().AsTask().Bounded();
        Assert.Equal(ConnectionCloseReason.PeerReset, connection.Reason);
    }

    private static StreamConnection<PipeBrokenSocket> Connect(
        StrongBox<IStreamSocketCompletions> completions, StrongBox<IReceiveBuffer>? receiving = null) => new(
        new PipeBrokenSocket(completions, receiving ?? new StrongBox<IReceiveBuffer>()),
        new StreamSettings { Pool = MemoryPool<byte>.Shared, Heartbeat = new Heartbeat(TimeProvider.System), Logger = NullLogger.Instance },
        lingerInBackground: false);

    /// <summary>Every send finds EPIPE; a receive waits until the test ends it.</summary>
    private readonly struct PipeBrokenSocket(StrongBox<IStreamSocketCompletions> completions, StrongBox<IReceiveBuffer> receiving) : IStreamSocket
    {
        private static readonly IoResult Broken = new(0, SocketError.Shutdown);

        public int? Unacknowledged => null;

        public long? Acknowledged => null;

        public void SetCompletions(IStreamSocketCompletions told) => completions.Value = told;

        public IoResult TryReceive(Span<byte> buffer) => IoResult.WouldBlock;

        public bool Receive(IReceiveBuffer buffer, out IoResult result)
        {
            receiving.Value = buffer;
            result = default;
            return false;
        }

        public IoResult TrySend(ReadOnlySpan<byte> data) => Broken;

        public IoResult TrySend(BufferSegment first) => Broken;

        public IoResult TrySendFile(SafeFileHandle file, long offset, int count) => Broken;

        public bool Send(ReadOnlyMemory<byte> data, out IoResult result)
        {
            result = Broken;
            return true;
        }

        public void WatchPeer()
        {
        }

        public void ShutdownSend()
        {
        }

        public void Abort()
        {
        }

        public void Dispose()
        {
        }
    }
}
