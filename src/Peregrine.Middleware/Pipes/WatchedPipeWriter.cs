using System.IO.Pipelines;

namespace Peregrine.Middleware.Pipes;

/// <summary>A writer that knows whether a flush waits, and where it goes on.</summary>
/// <param name="inner">The writer that is wrapped.</param>
/// <param name="onWaited">Called when a flush that had to wait has completed, and was not cancelled: that tells nothing of the peer.</param>
/// <param name="resumesOnThreadPool">Whether it goes on on the thread pool; otherwise where the inner writer does.</param>
internal sealed class WatchedPipeWriter(PipeWriter inner, Action? onWaited, bool resumesOnThreadPool) : DelegatingPipeWriter(inner)
{
    private readonly PassedOperation<FlushResult> _pending = new(
        onWaited is null ? null : result =>
        {
            if (!result.IsCanceled)
            {
                onWaited();
            }

            return result;
        },
        resumesOnThreadPool);

    public bool IsFlushing => _pending.IsPending;

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfFlushing();
        return Pass(base.FlushAsync(cancellationToken));
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        ThrowIfFlushing();
        return Pass(base.WriteAsync(source, cancellationToken));
    }

    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        var completing = base.CompleteAsync(exception);
        return completing.IsCompleted || !resumesOnThreadPool ? completing : ThreadPoolHop.AfterAsync(completing);
    }

    private ValueTask<FlushResult> Pass(ValueTask<FlushResult> flush) => flush.IsCompleted ? flush : _pending.Begin(flush);

    // The inner writer knows of its own flushes only: one that has completed may not have been told yet.
    private void ThrowIfFlushing()
    {
        if (_pending.IsPending)
        {
            throw PipeMisuse.FlushInProgress();
        }
    }
}
