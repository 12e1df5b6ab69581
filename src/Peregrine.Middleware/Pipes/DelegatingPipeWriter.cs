using System.IO.Pipelines;

namespace Peregrine.Middleware;

/// <summary>
/// A writer that wraps another: each call is the inner writer's. For middleware that looks at what is sent, or changes it before it is: override what
/// it needs to see.
/// </summary>
/// <remarks>
/// Bytes are written in two ways, and a writer that must see all of them overrides both: <see cref="GetMemory"/> and <see cref="GetSpan"/>, of which
/// <see cref="Advance"/> says how much was filled; and <see cref="WriteAsync"/>, whose memory is the caller's and must not be changed.
/// </remarks>
public abstract class DelegatingPipeWriter : PipeWriter
{
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

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0) => Inner.GetMemory(sizeHint);

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => Inner.GetSpan(sizeHint);

    /// <inheritdoc/>
    public override void Advance(int bytes) => Inner.Advance(bytes);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => Inner.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default) =>
        Inner.WriteAsync(source, cancellationToken);

    /// <inheritdoc/>
    public override void CancelPendingFlush() => Inner.CancelPendingFlush();

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Inner.Complete(exception);

    /// <inheritdoc/>
    public override ValueTask CompleteAsync(Exception? exception = null) => Inner.CompleteAsync(exception);
}
