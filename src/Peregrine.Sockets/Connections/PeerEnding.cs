using System.Net.Sockets;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Connections;

/// <summary>A socket that can be asked how its connection has ended.</summary>
internal interface IEndingSocket
{
    /// <summary>True if the connection is in CLOSE. False also where that cannot be told.</summary>
    bool IsClosed { get; }

    /// <summary>The pending error, as an errno, which is cleared; zero if there is none.</summary>
    int TakeError();
}

/// <summary>Tells a reset from the peer's FIN, also when somebody else has taken the kernel's only report of it.</summary>
internal struct PeerEnding
{
    private volatile bool _finSent;
    private volatile bool _finReceived;
    private volatile bool _resetReported;

    /// <summary>Before this side's FIN is sent.</summary>
    public bool FinSent
    {
        readonly get => _finSent;
        set => _finSent = value;
    }

    /// <summary>Notes what an error says about the peer's FIN.</summary>
    public IoResult Reported(IoResult result)
    {
        if (result.Error == SocketError.ConnectionReset)
        {
            _resetReported = true;
        }
        else if (result.Error == SocketError.Shutdown && !_resetReported)
        {
            // EPIPE first: in CLOSE_WAIT, after the peer's FIN, that is what Linux makes of a reset (tcp_reset).
            _finReceived = true;
        }

        return result;
    }

    /// <summary>What a receive means that did not block, into a buffer that is not empty.</summary>
    public IoResult Received<TSocket>(TSocket socket, IoResult result)
        where TSocket : struct, IEndingSocket
    {
        if (result.Bytes > 0 || result.IsError)
        {
            return Reported(result);
        }

        if (result.IsWouldBlock)
        {
            return result;
        }

        if (IsReset(socket))
        {
            return new IoResult(0, SocketError.ConnectionReset);
        }

        _finReceived = true;
        return default;
    }

    /// <summary>
    /// What a send means that may have gone on behind a part of its bytes, and met an error there of which it does not tell: a reset, which the
    /// kernel reports once, is lost, and later sends find an EPIPE, like that of a reset after the peer's FIN. So the state decides about every
    /// part. Its bytes are lost with the connection, and do not count.
    /// </summary>
    public IoResult Sent<TSocket>(TSocket socket, IoResult result, bool isPart)
        where TSocket : struct, IEndingSocket
    {
        if (result.Bytes == 0 || !isPart || _finSent || !socket.IsClosed || _finSent)
        {
            return Reported(result);
        }

        // Without an error that is left, nobody knows whether a FIN came first, unless a receive has found it: rather an end that looks like
        // a reset than a reset that looks like an end.
        var isFinFirst = socket.TakeError() == TcpEnding.BrokenPipe || _finReceived;
        return Reported(new IoResult(0, isFinFirst ? SocketError.Shutdown : SocketError.ConnectionReset));
    }

    /// <summary>
    /// What a receive of nothing means. The kernel reports a reset once; if a send took the report, or is about to, a receive sees an end
    /// of stream like that of a FIN. What tells them apart is the state: after the peer's FIN it is CLOSE_WAIT, after a reset CLOSE, where
    /// a connection that has sent no FIN itself comes only by a reset; and that one came after a FIN if its error is EPIPE.
    /// </summary>
    private bool IsReset<TSocket>(TSocket socket)
        where TSocket : struct, IEndingSocket
    {
        // Our FIN once more after the state: sent meanwhile and acknowledged, it ends in CLOSE too.
        if (_finSent || _finReceived || !socket.IsClosed || _finSent)
        {
            return false;
        }

        _finReceived = socket.TakeError() == TcpEnding.BrokenPipe;
        return !_finReceived;
    }
}
