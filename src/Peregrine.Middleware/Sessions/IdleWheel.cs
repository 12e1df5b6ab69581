namespace Peregrine.Middleware.Sessions;

/// <summary>
/// Finds the sessions whose time may be over: a list for each second to come. A session is looked at when its second is there, once in an idle time, however many
/// datagrams it gets meanwhile. Not for more than one thread at a time.
/// </summary>
/// <param name="ticksPerSecond">Of the clock.</param>
/// <param name="idleTicks">The idle time.</param>
/// <param name="now">The clock's time.</param>
internal sealed class IdleWheel(long ticksPerSecond, long idleTicks, long now)
{
    // A session whose time is longer than the wheel is looked at earlier, too: once in so many seconds.
    private const int MostSlots = 512;

    private readonly LinkedList<DatagramSession>[] _slots =
        [.. Enumerable.Range(0, (int)Math.Min(MostSlots, (idleTicks / ticksPerSecond) + 2)).Select(static _ => new LinkedList<DatagramSession>())];

    private long _second = now / ticksPerSecond;

    /// <summary>Adds the session's node, which is in no list; whoever ends the session takes it out.</summary>
    public void Add(DatagramSession session)
    {
        // Rounded up: when the second is there, the time is over.
        var due = (session.LastReceived + idleTicks + ticksPerSecond - 1) / ticksPerSecond;
        var second = Math.Clamp(due, _second + 1, _second + _slots.Length);
        _slots[second % _slots.Length].AddLast(session.ListNode);
    }

    /// <summary>Looks at the sessions of the seconds that have passed; those that were heard of since are put off.</summary>
    /// <param name="now">The clock's time.</param>
    /// <param name="most">The most sessions to look at in this call.</param>
    /// <param name="expired">Gets those whose time is over; they are in no list then.</param>
    /// <returns>Whether all were looked at.</returns>
    public bool Advance(long now, int most, List<DatagramSession> expired)
    {
        var last = now / ticksPerSecond;

        // After a long time without a call every list is due, once.
        _second = Math.Max(_second, last - _slots.Length);
        for (; _second < last; _second++)
        {
            var due = _slots[(_second + 1) % _slots.Length];
            for (var node = due.First; node is not null; node = due.First)
            {
                if (most-- == 0)
                {
                    return false;
                }

                due.Remove(node);
                if (now - node.Value.LastReceived >= idleTicks)
                {
                    expired.Add(node.Value);
                }
                else
                {
                    Add(node.Value);
                }
            }
        }

        return true;
    }
}
