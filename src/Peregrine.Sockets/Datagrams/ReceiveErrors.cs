using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.Datagrams;

/// <summary>What a receive loop does after an error: tries again, at once or a little later. None ends it.</summary>
internal sealed class ReceiveErrors(TimeProvider clock, ILogger logger, EndPoint localEndPoint)
{
    // What a peer's machine has answered (ICMP) is told once each; one that stays must not make the loop spin.
    private const int ImmediateRetries = 16;

    private readonly ReportInterval _reports = new(clock);
    private Backoff _backoff;
    private int _immediate;

    /// <summary>Something was received.</summary>
    public void Reset()
    {
        _immediate = 0;
        _backoff.Reset();
    }

    /// <summary>Whether to wait before the next attempt, and how long.</summary>
    public bool Next(SocketError error, out TimeSpan delay)
    {
        delay = TimeSpan.Zero;
        if (error is SocketError.ConnectionRefused or SocketError.ConnectionReset or SocketError.HostUnreachable or SocketError.NetworkUnreachable)
        {
            SocketsLog.DatagramPeerUnreachable(logger, localEndPoint, error);
        }
        else if (_reports.IsDue(out var count))
        {
            SocketsLog.DatagramReceiveFailed(logger, localEndPoint, error, count);
        }

        if (error != SocketError.NoBufferSpaceAvailable && _immediate++ < ImmediateRetries)
        {
            return false;
        }

        delay = _backoff.Next();
        return true;
    }
}
