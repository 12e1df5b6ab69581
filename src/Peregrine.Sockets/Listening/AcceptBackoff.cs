using System.Net.Sockets;

namespace Peregrine.Sockets.Listening;

/// <summary>What an accept loop does after an error: retry at once, or wait 5 ms, doubling to 1 s.</summary>
internal struct AcceptBackoff
{
    private const int ImmediateRetries = 16;
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMinutes(1);

    private int _immediate;
    private TimeSpan _delay;
    private long _reportedAt;
    private bool _reported;

    public void Reset()
    {
        _immediate = 0;
        _delay = TimeSpan.Zero;
    }

    /// <summary>How long to wait before the next accept.</summary>
    public TimeSpan Next(SocketError error)
    {
        // Errors of the one connection that was about to be accepted (accept(2)): the next may be fine. Bounded, so that an error that
        // stays cannot make the loop spin.
        if (error is SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.NetworkDown or SocketError.NetworkUnreachable
                or SocketError.HostDown or SocketError.HostUnreachable or SocketError.TimedOut or SocketError.ProtocolNotSupported
                or SocketError.OperationNotSupported or SocketError.Interrupted
            && _immediate < ImmediateRetries)
        {
            _immediate++;
            return TimeSpan.Zero;
        }

        _delay = _delay == TimeSpan.Zero ? Shortest : _delay * 2 > Longest ? Longest : _delay * 2;
        return _delay;
    }

    /// <summary>True once a minute at most.</summary>
    public bool ShouldReport(TimeProvider clock)
    {
        var now = clock.GetTimestamp();
        if (_reported && clock.GetElapsedTime(_reportedAt, now) < ReportInterval)
        {
            return false;
        }

        _reported = true;
        _reportedAt = now;
        return true;
    }
}
