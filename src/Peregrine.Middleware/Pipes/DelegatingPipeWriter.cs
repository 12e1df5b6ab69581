using System.IO.Pipelines;

namespace Peregrine.Middleware;

/// <summary>
/// A writer that wraps another: each call is the inner writer's. For middleware that looks at what is sent, or changes it before it is.
/// </summary>
/// <remarks>
/// Bytes are written in two ways, and a writer that must see all of them overrides both: what is filled of the writer's own memory passes
/// <see cref="OnWritten"/>; what is given to <see cref="WriteAsync"/> is the caller's memory, which must not be changed.
/// </remarks>
public abstract class DelegatingPipeWriter : PipeWriter
{
    // What was given out and not advanced over. Nobody else has it until then.
    private Memory<byte> _memory;
    private volatile bool _isCompleted;

    /// <param name="inner">The writer that is wrapped. Completing this one completes it.</param>
    protected DelegatingPipeWriter(PipeWriter inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        Inner = inner;
    }

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => Inner.CanGetUnflushedBytes;

    /// <inheritdoc/>
    public override long UnflushedBytes => Inner.UnflushedBytes;

    /// <summary>The writer that is wrapped.</summary>
    protected PipeWriter Inner { get; }

    /// <summary>This writer was completed.</summary>
    private protected bool IsCompleted => _isCompleted;

    /// <inheritdoc/>
    public sealed override Memory<byte> GetMemory(int sizeHint = 0) => _memory = Inner.GetMemory(sizeHint);

    /// <inheritdoc/>
    public sealed override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <inheritdoc/>
    public sealed override void Advance(int bytes)
    {
        // What is out of range is the inner writer's to refuse; and what was completed has given its memory back.
        if ((uint)bytes <= (uint)_memory.Length && !_isCompleted)
        {
            OnWritten(_memory.Span[..bytes]);
            _memory = _memory[bytes..];
        }

        Inner.Advance(bytes);
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        _memory = default;
        return Inner.FlushAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        _memory = default;
        return Inner.WriteAsync(source, cancellationToken);
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush() => Inner.CancelPendingFlush();

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        _isCompleted = true;
        Inner.Complete(exception);
    }

    /// <inheritdoc/>
    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        _isCompleted = true;
        return Inner.CompleteAsync(exception);
    }

    /// <summary>Called with bytes that the caller has written, in the order of the stream, before the inner writer is told of them: they can still be changed.</summary>
    /// <param name="bytes">The bytes. Valid during the call only.</param>
    protected virtual void OnWritten(Span<byte> bytes)
    {
    }
}
