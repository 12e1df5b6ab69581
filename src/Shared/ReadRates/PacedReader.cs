using System.IO.Pipelines;
using Peregrine.Features;

namespace Peregrine;

/// <summary>
/// Reads at a bounded rate: a read that comes too early waits, nothing is received meanwhile, and the kernel's window slows the peer. All else is
/// the inner reader's.
/// </summary>
/// <param name="inner">The reader that is slowed.</param>
/// <param name="budget">What the connection may receive.</param>
/// <param name="rate">How fast, and what ends the pauses.</param>
/// <param name="close">The connection's, if it tells how it ended.</param>
/// <param name="closed">Otherwise: cancelled when it has ended, or the peer's half of it.</param>
internal sealed class PacedReader(
    PipeReader inner, ReadBudget budget, IReadRate rate, IConnectionCloseFeature? close, CancellationToken closed = default) : PipeReader
{
    private readonly Lock _lock = new();

    // The flow's, or, while it pauses, under the lock.
    private ReadBudget _budget = budget;
    private TaskCompletionSource? _pause;
    private bool _isCancelRequested;
    private bool _isListed;
    private volatile bool _completed;

    /// <summary>
    /// Nothing can come of waiting: the inner reader says so at once. Where nobody tells a failure from the peer's end, what was read ahead of that is
    /// read at once, and no more comes.
    /// </summary>
    private bool HasEnded => _completed
        || (close is null ? closed.IsCancellationRequested : close.Reason is not (ConnectionCloseReason.None or ConnectionCloseReason.PeerClosed));

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
        TryPass(pause: true) is { } pause ? WaitAsync(pause, cancellationToken) : inner.ReadAsync(cancellationToken);

    public override bool TryRead(out ReadResult result)
    {
        if (TryPass(pause: false) is null)
        {
            return inner.TryRead(out result);
        }

        result = default;
        return false;
    }

    public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

    public override void CancelPendingRead()
    {
        // The inner reader remembers it for the read that follows the pause, or for the next.
        inner.CancelPendingRead();
        lock (_lock)
        {
            _isCancelRequested = true;
            _pause?.TrySetResult();
        }
    }

    public override void Complete(Exception? exception = null)
    {
        _completed = true;
        inner.Complete(exception);
        lock (_lock)
        {
            _pause?.TrySetResult();
        }
    }

    /// <summary>Called ten times a second from the pause on. True if it is over.</summary>
    public bool TryGoOn()
    {
        lock (_lock)
        {
            if (_pause is not null && !_isCancelRequested && !HasEnded && !_budget.Allows(rate.BytesPerSecond))
            {
                return false;
            }

            _isListed = false;
            _pause?.TrySetResult();
            return true;
        }
    }

    /// <summary>Null if something may be received; otherwise a task, which is done when that is so, if <paramref name="pause"/> says that it is awaited.</summary>
    private Task? TryPass(bool pause)
    {
        lock (_lock)
        {
            if (_pause is not null)
            {
                throw PipeMisuse.ReadInProgress();
            }

            if (_budget.Allows(rate.BytesPerSecond) || _isCancelRequested || HasEnded)
            {
                _isCancelRequested = false;
                return null;
            }

            if (!pause)
            {
                return Task.CompletedTask;
            }

            _pause = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _pause.Task;
        }
    }

    private async ValueTask<ReadResult> WaitAsync(Task pause, CancellationToken cancellationToken)
    {
        bool isListed;
        lock (_lock)
        {
            isListed = _isListed;
            _isListed = true;
        }

        // A pause that was cancelled leaves it there until the next tick.
        if (!isListed)
        {
            rate.Pauses.Add(this);
        }

        try
        {
            await pause.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                _pause = null;
                _isCancelRequested = false;
            }
        }

        return await inner.ReadAsync(cancellationToken).ConfigureAwait(false);
    }
}
