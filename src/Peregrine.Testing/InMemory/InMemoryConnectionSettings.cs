using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Testing;

/// <summary>The options, checked and copied, so that a later change of them has no effect.</summary>
internal sealed class InMemoryConnectionSettings
{
    public InMemoryConnectionSettings(InMemoryTransportOptions options)
    {
        ArgumentNullException.ThrowIfNull(options.Pool);
        ArgumentNullException.ThrowIfNull(options.Scheduler);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BlockSizeInBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PauseWriterThresholdInBytes, 1);
        Pool = options.Pool;
        Scheduler = options.Scheduler;
        BlockSizeInBytes = options.BlockSizeInBytes;
        Pipe = new PipeOptions(
            Pool,
            Scheduler,
            Scheduler,
            options.PauseWriterThresholdInBytes,
            resumeWriterThreshold: Math.Max(1, options.PauseWriterThresholdInBytes / 2),
            BlockSizeInBytes,
            useSynchronizationContext: false);
    }

    public MemoryPool<byte> Pool { get; }

    public PipeScheduler Scheduler { get; }

    public int BlockSizeInBytes { get; }

    public PipeOptions Pipe { get; }
}
