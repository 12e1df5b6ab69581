using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Testing;

/// <summary>Options of the <see cref="InMemoryTransport"/>. They are read once, when the transport is made.</summary>
public sealed class InMemoryTransportOptions
{
    /// <summary>
    /// The pool that every buffer of every connection is rented from; handlers see it through <c>IMemoryPoolFeature</c>.
    /// Default <see cref="MemoryPool{T}.Shared"/>. The transport never disposes it.
    /// </summary>
    public MemoryPool<byte> Pool { get; set; } = MemoryPool<byte>.Shared;

    /// <summary>
    /// The smallest buffer that the transport asks the pool for, in bytes. Default 4096, at least 1.
    /// A pool may give more than it is asked for: buffers of exactly this size need a <see cref="LeakCheckingMemoryPool"/>.
    /// </summary>
    public int BlockSizeInBytes { get; set; } = 4096;

    /// <summary>
    /// The number of bytes, sent in one direction and not yet consumed, at which a flush starts to wait for the reader. Default 65,536, at least 1.
    /// The wait ends when the reader has consumed half of it.
    /// </summary>
    public long PauseWriterThresholdInBytes { get; set; } = 65_536;

    /// <summary>
    /// The number of connections that wait in a listener to be accepted. Default 128, at least 1.
    /// At the limit, <see cref="InMemoryTransport.ConnectAsync"/> waits.
    /// </summary>
    public int Backlog { get; set; } = 128;

    /// <summary>
    /// Where continuations of reads and flushes, and the callbacks of <c>ConnectionClosed</c>, run.
    /// Default <see cref="PipeScheduler.ThreadPool"/>. With <see cref="PipeScheduler.Inline"/> they run inside the call that caused them.
    /// </summary>
    public PipeScheduler Scheduler { get; set; } = PipeScheduler.ThreadPool;
}
