using System.IO.Pipelines;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware;

/// <summary>
/// A reader that wraps another: each call is the inner reader's, and each result passes <see cref="OnRead"/>. For middleware that looks at what is
/// received, or changes it. Nothing is copied, and nothing is allocated for a read. (<c>ReadAtLeastAsync</c> and <c>CopyToAsync</c> read by <see cref="ReadAsync"/>.)
/// </summary>
/// <remarks>
/// As of every <see cref="PipeReader"/>: one flow reads; <see cref="CancelPendingRead"/> and <see cref="Complete"/> may come from any thread. A read
/// that waits goes on where the inner reader's does.
/// </remarks>
public abstract class DelegatingPipeReader : PipeReader
{
    private readonly PassedOperation<ReadResult> _pending;

    // There is a result that the caller has not advanced.
    private volatile bool _hasResult;

    /// <param name="inner">The reader that is wrapped. Completing this one completes it.</param>
    protected DelegatingPipeReader(PipeReader inner)
        : this(inner, resumesOnThreadPool: false)
    {
    }

    private protected DelegatingPipeReader(PipeReader inner, bool resumesOnThreadPool)
    {
        ArgumentNullException.ThrowIfNull(inner);
        Inner = inner;
        _pending = new PassedOperation<ReadResult>(Take, resumesOnThreadPool);
    }

    /// <summary>The reader that is wrapped.</summary>
    protected PipeReader Inner { get; }

    /// <summary>A read waits for bytes.</summary>
    private protected bool IsReading => _pending.IsPending;

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfReading();
        return Pass(Inner.ReadAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        ThrowIfReading();
        if (!Inner.TryRead(out result))
        {
            return false;
        }

        result = Take(result);
        return true;
    }

    /// <inheritdoc/>
    public sealed override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public sealed override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        ThrowIfReading();
        if (!_hasResult)
        {
            throw PipeMisuse.NoReadToAdvance();
        }

        OnAdvance(consumed, examined);
        _hasResult = false;
    }

    /// <inheritdoc/>
    public override void CancelPendingRead() => Inner.CancelPendingRead();

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        _hasResult = false;
        Inner.Complete(exception);
    }

    /// <inheritdoc/>
    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        // Complete is what a derived reader overrides.
        Complete(exception);
        return default;
    }

    /// <summary>
    /// Called with each result before the caller has it: the bytes that were not consumed, those of earlier results that are not consumed included, so
    /// that a byte may be seen many times. A result that is cancelled has them, too.
    /// </summary>
    /// <param name="result">What the inner reader has read.</param>
    /// <returns>What the caller gets. What it throws, the caller's read throws.</returns>
    protected virtual ReadResult OnRead(ReadResult result) => result;

    /// <summary>
    /// Called when the caller advances, once for each result: passes it on. A reader whose <see cref="OnRead"/> returns other bytes than it was given overrides it, and gives
    /// the inner reader positions of the inner reader's bytes.
    /// </summary>
    /// <param name="consumed">Up to where the caller needs the bytes no more: a position in what <see cref="OnRead"/> returned.</param>
    /// <param name="examined">Up to where it has looked at them: with nothing behind it, the next read waits for more.</param>
    protected virtual void OnAdvance(SequencePosition consumed, SequencePosition examined) => Inner.AdvanceTo(consumed, examined);

    private ReadResult Take(ReadResult result)
    {
        result = OnRead(result);
        _hasResult = true;
        return result;
    }

    private ValueTask<ReadResult> Pass(ValueTask<ReadResult> read)
    {
        if (!read.IsCompleted)
        {
            return _pending.Begin(read);
        }

        return read.IsCompletedSuccessfully ? new ValueTask<ReadResult>(Take(read.Result)) : read;
    }

    // The inner reader knows of its own reads only: one that has completed may not have been told yet.
    private void ThrowIfReading()
    {
        if (_pending.IsPending)
        {
            throw PipeMisuse.ReadInProgress();
        }
    }
}
