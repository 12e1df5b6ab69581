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

    /// <summary>The size asked of the pool for a receive. 16 KiB: with 4 KiB, large messages cost four times the system calls.</summary>
    public int ReceiveBlockSizeInBytes { get; init; } = 16 * 1024;

    /// <summary>With less room than this at its end, a block is left and a new one rented.</summary>
    public int MinimumReceiveSizeInBytes { get; init; } = 2 * 1024;

    /// <summary>See <see cref="SocketTransportOptions.MaxUnreadBytes"/>.</summary>
    public long MaxUnreadBytes { get; init; } = SocketTransportOptions.DefaultMaxUnreadBytes;

    public int SendBlockSizeInBytes { get; init; } = 16 * 1024;

    public CloseTimeouts Close { get; init; } = new();
}
