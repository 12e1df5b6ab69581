using System.Net.Sockets;

namespace Peregrine.Sockets.Listening;

/// <summary>What an accept loop does after an error: retry at once, wait 5 ms, doubling to 1 s, or end.</summary>
internal struct AcceptBackoff
{
    private const int ImmediateRetries = 16;

    private int _immediate;
    private Backoff _backoff;

    public void Reset()
    {
        _immediate = 0;
        _backoff.Reset();
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

        return _backoff.Next();
    }
}
