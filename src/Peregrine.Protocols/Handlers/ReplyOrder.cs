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

    /// <summary>The place of the next message.</summary>
    public ReplySlot Enter()
    {
        lock (_lock)
        {
            var slot = new ReplySlot(this) { IsFirst = _slots.Count == 0 };
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
                return flow.Writer.TryWrite(message, out pending);
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
        }

        return slot.IsDropped ? await DroppedAsync().ConfigureAwait(false) : await flow.FlushAsync(pending, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<FlushResult> DroppedAsync() => flow.Writer.DroppedAsync();

    /// <summary>Its handler is done. What may go out now is written, and not flushed.</summary>
    public void Leave(ReplySlot slot)
    {
        List<TaskCompletionSource>? turns = null;
        lock (_lock)
        {
            slot.IsDone = true;
            while (_slots.TryPeek(out var first) && first.IsDone)
            {
                if (first.IsLast)
                {
                    flow.Writer.End();
                }

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
    }

    private TaskCompletionSource? MakeFirst(ReplySlot slot)
    {
        slot.IsFirst = true;
        if (slot.Kept is { } kept)
        {
            slot.IsDropped = !flow.Writer.TryWrite(kept, out _);
            kept.Clear();
            slot.Kept = null;
        }

        return slot.Turn;
    }
}
