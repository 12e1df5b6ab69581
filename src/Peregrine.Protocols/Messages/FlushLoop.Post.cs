namespace Peregrine.Protocols;

/// <content>Messages that are posted: nobody waits for them.</content>
internal sealed partial class FlushLoop
{
    /// <summary>
    /// Adds a message, and sends it, without waiting. There is room until a flush is under way: a peer is slow when the output does not take what it was given, not while nobody
    /// has got to giving it.
    /// </summary>
    /// <param name="message">The message. The caller has held it for this; who does not take it leaves that to the caller.</param>
    /// <param name="dropsOldest">Room is made by dropping what was posted before.</param>
    /// <param name="isQueued">It is sent by the thread pool, with what else comes until then; otherwise at once.</param>
    /// <param name="dropped">How many were dropped.</param>
    public PostOutcome Post(EncodedMessage message, bool dropsOldest, bool isQueued, out int dropped)
    {
        dropped = 0;
        bool isTaken;
        var isDue = false;
        do
        {
            lock (_lock)
            {
                if (IsOverLocked)
                {
                    return PostOutcome.Over;
                }

                if (message.Length == 0)
                {
                    message.Part.Bytes.Release();
                    return PostOutcome.Posted;
                }

                isTaken = HasRoomLocked(_pending.Length, _pending.Messages) || (_state == State.Flushing && dropsOldest && TryDropLocked(ref dropped));
                if (isTaken)
                {
                    _pending.Add(message, waits: _state == State.Flushing);
                }

                if (_state == State.Flushing)
                {
                    return isTaken ? PostOutcome.Posted : PostOutcome.Slow;
                }

                if (isTaken && isQueued)
                {
                    isDue = QueueFlushLocked();
                    break;
                }

                BeginFlushLocked();
            }

            FlushWithoutWaiting();
        }
        while (!isTaken);
        if (isDue)
        {
            Schedule();
        }

        return PostOutcome.Posted;

        bool HasRoomLocked(long pending, int messages)
        {
            var kept = _sendingLength + pending;
            return kept == 0 || (kept + message.Length <= _bound.Bytes && _sendingMessages + messages < _bound.Messages);
        }

        // Not in vain: there must be room when all are gone that may be dropped.
        bool TryDropLocked(ref int dropped)
        {
            if (!HasRoomLocked(_pending.OwnLength, messages: 0))
            {
                return false;
            }

            while (!HasRoomLocked(_pending.Length, _pending.Messages) && _pending.DropOldest() is > 0 and var messages)
            {
                dropped += messages;
            }

            return true;
        }
    }
}
