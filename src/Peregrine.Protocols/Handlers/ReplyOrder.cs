using System.IO.Pipelines;

namespace Peregrine.Protocols.Handlers;

/// <summary>
/// Lets what handlers write that run at once go out in the order of their messages: the first one writes, what the others have written is kept until it is
/// their turn.
/// </summary>
internal sealed class ReplyOrder(MessageFlow flow)
{
    private readonly Lock _lock = new();

    // Under the lock: those whose handlers are not done, and behind one that is not, those that are.
    private readonly Queue<ReplySlot> _slots = new();

    // The last is done: what the others write is dropped, and not what is written outside of the order.
    private bool _isOver;

    /// <summary>The place of the next message.</summary>
    /// <param name="holdsPlace">It is one of those that may be there at once.</param>
    public ReplySlot Enter(bool holdsPlace)
    {
        lock (_lock)
        {
            var slot = new ReplySlot(this, holdsPlace) { IsFirst = _slots.Count == 0 };
            _slots.Enqueue(slot);
            return slot;
        }
    }

    /// <summary>Adds a message that is encoded. False if it is dropped.</summary>
    public bool TryAdd(ReplySlot slot, PendingBytes message, out long pending)
    {
        lock (_lock)
        {
            if (slot.IsFirst)
            {
                pending = 0;
                return !_isOver && flow.Writer.TryWrite(message, out pending);
            }

            message.MoveTo(slot.Kept ??= new PendingBytes());
            pending = 0;
            return true;
        }
    }

    /// <summary>Sends what was added, when it is its turn.</summary>
    public async ValueTask<FlushResult> FlushAsync(ReplySlot slot, long pending, CancellationToken cancellationToken)
    {
        Task? turn;
        lock (_lock)
        {
            turn = slot.IsFirst ? null : (slot.Turn ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        if (turn is not null)
        {
            await turn.WaitAsync(cancellationToken).ConfigureAwait(false);

            // What was kept is pending now, with what others have written.
            pending = flow.Writer.PendingBytes;
        }

        return slot.IsDropped ? await DroppedAsync().ConfigureAwait(false) : await flow.FlushAsync(pending, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<FlushResult> DroppedAsync() => flow.Writer.DroppedAsync();

    /// <summary>Its handler is done. What may go out now is written, and not flushed.</summary>
    /// <returns>How many have left that held a place: none as long as it waits for its turn, and then those that have waited for it too.</returns>
    public int Leave(ReplySlot slot)
    {
        var left = 0;
        List<TaskCompletionSource>? turns = null;
        lock (_lock)
        {
            slot.IsDone = true;
            while (_slots.TryPeek(out var first) && first.IsDone)
            {
                _isOver |= first.IsLast;
                left += first.HoldsPlace ? 1 : 0;
                _slots.Dequeue();
                if (_slots.TryPeek(out var next) && MakeFirst(next) is { } turn)
                {
                    (turns ??= []).Add(turn);
                }
            }
        }

        foreach (var turn in turns ?? [])
        {
            turn.TrySetResult();
        }

        return left;
    }

    private TaskCompletionSource? MakeFirst(ReplySlot slot)
    {
        slot.IsFirst = true;
        if (slot.Kept is { } kept)
        {
            slot.IsDropped = _isOver || !flow.Writer.TryWrite(kept, out _);
            kept.Clear();
            slot.Kept = null;
        }

        return slot.Turn;
    }
}
