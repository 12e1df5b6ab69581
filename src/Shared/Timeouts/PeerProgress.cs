using Peregrine.Features;

namespace Peregrine;

/// <summary>
/// What the heartbeat keeps of a connection to time its peer by, and the rules. Times are the heartbeat's milliseconds, which wrap around: only
/// their differences count.
/// </summary>
/// <remarks>
/// What is noticed at a beat has happened since the beat before, and counts from the later one: a timeout is late by up to a second, and early
/// by nothing.
/// </remarks>
internal struct PeerProgress(uint now)
{
    /// <summary>Beats come a little early and late: whole seconds after one, the next would do by a hair, or not.</summary>
    private const uint Jitter = 50;

    private const int LongestStepBack = 60_000;

    private readonly uint _startedAt = now;
    private uint _activeAt = now;
    private uint _tookAt;
    private uint _messageTime;
    private uint _moved;
    private bool _isOwed;
    private bool _isExcused;
    private long _received;
    private long _acknowledged;
    private long _consumed;

    /// <summary>How many bytes the peer has sent and acknowledged between the last two beats.</summary>
    public readonly uint Moved => _moved;

    /// <summary>
    /// At the last look the peer was idle for too long, and not because of itself: the handler does not wait for it. Whoever can ends the connection of a peer
    /// that is gone.
    /// </summary>
    public readonly bool IsExcused => _isExcused;

    /// <summary>How long ago the peer moved something, or began: to a second, and up to 49 days.</summary>
    public readonly TimeSpan Quiet(uint now)
    {
        // Less than nothing where the clock was set back after a long pause of the process.
        var ago = Since(_activeAt, now);
        return TimeSpan.FromMilliseconds(ago is < 0 and > -LongestStepBack ? 0 : unchecked((uint)ago));
    }

    /// <summary>Looks at what has happened since the last beat.</summary>
    /// <param name="now">The beat.</param>
    /// <param name="elapsed">The time since the last.</param>
    /// <param name="counts">The connection's.</param>
    /// <param name="buffers">The connection's, if its transport tells.</param>
    /// <param name="limits">What holds for it.</param>
    /// <param name="isClosing">Its handler is done: only what is there for the peer is of interest.</param>
    /// <returns>The timeout that is over, or none.</returns>
    public ConnectionCloseReason Look(
        uint now, uint elapsed, IConnectionByteCountFeature counts, IConnectionBufferFeature? buffers, in TimeoutValues limits, bool isClosing)
    {
        var received = counts.BytesReceived - _received;
        _received += received;
        var sent = counts.BytesSent;
        var acknowledged = Acknowledged(sent, buffers, limits);
        _moved = (uint)Math.Min(received + acknowledged, uint.MaxValue);
        if (_moved > 0)
        {
            _activeAt = now - Jitter;
        }

        if (IsWriteOver(now, acknowledged > 0, sent, buffers, limits.WriteProgress))
        {
            return ConnectionCloseReason.WriteTimeout;
        }

        return isClosing ? ConnectionCloseReason.None
            : IsFirstByteOver(now, buffers, limits.FirstByte) ? ConnectionCloseReason.FirstByteTimeout
            : IsTooSlow(elapsed, buffers, limits) ? ConnectionCloseReason.ReadRateTimeout
            : IsIdle(now, buffers, limits.Idle) ? ConnectionCloseReason.IdleTimeout
            : ConnectionCloseReason.None;
    }

    /// <summary>
    /// Right after a look at a connection that keeps no bytes: for how many milliseconds nothing but new activity can make a difference. Zero while
    /// the peer moves bytes or owes an acknowledgement.
    /// </summary>
    public readonly uint QuietTime(uint now, IConnectionByteCountFeature counts, IConnectionBufferFeature? buffers, in TimeoutValues limits)
    {
        if (_moved > 0 || _isOwed || ((limits.Idle > 0 || limits.WriteProgress > 0) && (_acknowledged < counts.BytesSent || buffers?.IsSendPending == true)))
        {
            return 0;
        }

        var idle = limits.Idle > 0 ? limits.Idle - Since(_activeAt, now) : int.MaxValue;
        var firstByte = limits.FirstByte > 0 && _received == 0 ? limits.FirstByte - Since(_startedAt, now) : int.MaxValue;
        return (uint)Math.Max(0, Math.Min(idle, firstByte));
    }

    /// <summary>
    /// How many bytes more the peer has acknowledged. The kernel is asked once a second, and only while it may hold something: a connection that
    /// has sent nothing since all was acknowledged costs no system call. Where it does not tell, what it took counts: it takes no more than its
    /// buffer for a peer that takes nothing. Of a send that waits, a part is acknowledged before any of it counts as sent.
    /// </summary>
    private long Acknowledged(long sent, IConnectionBufferFeature? buffers, in TimeoutValues limits)
    {
        if ((_acknowledged >= sent && buffers?.IsSendPending != true) || (limits.Idle == 0 && limits.WriteProgress == 0))
        {
            return 0;
        }

        // Where it is a difference, what is sent between the two looks makes it less than it was, for this beat.
        var more = Math.Max(0, (buffers?.AcknowledgedBytes ?? (sent - (buffers?.UnacknowledgedBytes ?? 0))) - _acknowledged);
        _acknowledged += more;
        return more;
    }

    private bool IsWriteOver(uint now, bool hasTaken, long sent, IConnectionBufferFeature? buffers, int limit)
    {
        if (limit == 0 || (_acknowledged >= sent && buffers?.IsSendPending != true))
        {
            _isOwed = false;
            return false;
        }

        if (!_isOwed || hasTaken)
        {
            _isOwed = true;
            _tookAt = now - Jitter;
            return false;
        }

        return Since(_tookAt, now) >= limit;
    }

    /// <summary>The last look before it ends asks for bytes that came and that the handler has not looked for.</summary>
    private readonly bool IsFirstByteOver(uint now, IConnectionBufferFeature? buffers, int limit) =>
        limit > 0 && _received == 0 && Since(_startedAt, now) >= limit && !(buffers?.UnreceivedBytes > 0);

    private bool IsIdle(uint now, IConnectionBufferFeature? buffers, int limit)
    {
        _isExcused = false;
        if (limit == 0 || Since(_activeAt, now) < limit)
        {
            return false;
        }

        // This side does not go on: it may be the peer that waits, for its answer.
        _isExcused = buffers is { IsReadPending: false } || buffers?.UnreceivedBytes > 0;
        if (_isExcused)
        {
            _activeAt = now - Jitter;
        }

        return !_isExcused;
    }

    /// <summary>Only time in which the handler waits for more of a message counts: with bytes that it has not consumed.</summary>
    private bool IsTooSlow(uint elapsed, IConnectionBufferFeature? buffers, in TimeoutValues limits)
    {
        if (limits.MinReadRateInBytesPerSecond == 0 || buffers is null)
        {
            _messageTime = 0;
            return false;
        }

        var unread = buffers.UnreadBytes;
        var consumed = buffers.ConsumedBytes ?? (_received - unread);
        if (unread == 0 || consumed > _consumed)
        {
            _messageTime = 0;
            _consumed = Math.Max(_consumed, consumed);
        }

        if (unread == 0 || !buffers.IsReadPending)
        {
            return false;
        }

        _messageTime += _messageTime == 0 ? Jitter : elapsed;
        return _messageTime >= limits.MinReadRateGrace && unread * 1000 < (long)limits.MinReadRateInBytesPerSecond * _messageTime;
    }

    /// <summary>Negative for a connection that began after the beat.</summary>
    public static int Since(uint then, uint now) => unchecked((int)(now - then));
}
