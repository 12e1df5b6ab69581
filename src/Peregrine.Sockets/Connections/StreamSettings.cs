using System.Buffers;
using System.IO.Pipelines;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Connections;

/// <summary>What all connections of a transport share.</summary>
internal sealed class StreamSettings
{
    public required MemoryPool<byte> Pool { get; init; }

    public required Heartbeat Heartbeat { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>Where a read or flush goes on that was cancelled or aborted by another thread.</summary>
    public PipeScheduler Scheduler { get; init; } = PipeScheduler.ThreadPool;

    /// <summary>The size of a receive that follows small ones: see <see cref="ReceiveSize"/>.</summary>
    public int SmallestReceiveInBytes { get; init; } = 4 * 1024;

    /// <summary>The size of a receive that follows ones that filled their block.</summary>
    public int LargestReceiveInBytes { get; init; } = 256 * 1024;

    /// <summary>What a wait receives into: each connection that has waited once keeps as much.</summary>
    public int WaitBufferSizeInBytes { get; init; } = 512;

    /// <summary>With less room than this at its end, a block is left and a new one rented.</summary>
    public int MinimumReceiveSizeInBytes { get; init; } = 2 * 1024;

    /// <summary>See <see cref="SocketTransportOptions.MaxUnreadBytes"/>.</summary>
    public long MaxUnreadBytes { get; init; } = SocketTransportOptions.DefaultMaxUnreadBytes;

    public int SendBlockSizeInBytes { get; init; } = 16 * 1024;

    public CloseTimeouts Close { get; init; } = new();
}
