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

    /// <summary>What a wait by the runtime's sockets receives into: each connection that has waited once keeps as much.</summary>
    public int WaitBufferSizeInBytes { get; init; } = 128;

    /// <summary>The same for one whose waits keep filling that.</summary>
    public int LargestWaitBufferInBytes { get; init; } = 2 * 1024;

    /// <summary>With less room than this at its end, a block is left and a new one rented.</summary>
    public int MinimumReceiveSizeInBytes { get; init; } = 2 * 1024;

    /// <summary>See <see cref="SocketTransportOptions.MaxUnreadBytes"/>.</summary>
    public long MaxUnreadBytes { get; init; } = SocketTransportOptions.DefaultMaxUnreadBytes;

    /// <summary>The size of the first block that an application writes to; each that follows it is four times the last.</summary>
    public int SmallestSendBlockInBytes { get; init; } = 4 * 1024;

    public int LargestSendBlockInBytes { get; init; } = 64 * 1024;

    /// <summary>What an application writes to.</summary>
    public WriteBlocks WriteBlocks => field ??= new WriteBlocks(Pool, SmallestSendBlockInBytes, LargestSendBlockInBytes);

    /// <summary>
    /// A <c>WriteAsync</c> of more than this is sent from the caller's memory also while it waits for room; less is copied, and then the
    /// send loop needs nothing of the flush.
    /// </summary>
    public int MostCopiedInBytes { get; init; } = 16 * 1024;

    /// <summary>How much of such memory is copied for the socket to wait for room with.</summary>
    public int WaitPieceInBytes { get; init; } = 1024;

    public CloseOptions Close { get; init; } = new();

    /// <summary>The closes that wait for their peers, bounded by <see cref="CloseOptions.MaxLingering"/>.</summary>
    public LingeringCloses Lingering { get; init; } = new(new CloseOptions().MaxLingering);

    /// <summary>Gives the thread to others before a connection goes on. On the thread pool that allocates nothing.</summary>
    public void Schedule(IThreadPoolWorkItem item)
    {
        if (Scheduler == PipeScheduler.ThreadPool)
        {
            ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false);
        }
        else
        {
            Scheduler.Schedule(static state => ((IThreadPoolWorkItem)state!).Execute(), item);
        }
    }
}
