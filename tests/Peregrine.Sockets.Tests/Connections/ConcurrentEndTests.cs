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

    private static StreamConnection<PipeBrokenSocket> Connect(StrongBox<IStreamSocketCompletions> completions) => new(
        new PipeBrokenSocket(completions),
        new StreamSettings { Pool = MemoryPool<byte>.Shared, Heartbeat = new Heartbeat(TimeProvider.System), Logger = NullLogger.Instance },
        lingerInBackground: false);

    /// <summary>Every send finds EPIPE; a receive waits until the test ends it.</summary>
    private readonly struct PipeBrokenSocket(StrongBox<IStreamSocketCompletions> completions) : IStreamSocket
    {
        private static readonly IoResult Broken = new(0, SocketError.Shutdown);

        public int? Unacknowledged => null;

        public long? Acknowledged => null;

        public void SetCompletions(IStreamSocketCompletions told) => completions.Value = told;

        public IoResult TryReceive(Span<byte> buffer) => IoResult.WouldBlock;

        public bool Receive(IReceiveBuffer buffer, out IoResult result)
        {
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
