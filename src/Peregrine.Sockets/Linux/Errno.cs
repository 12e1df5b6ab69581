using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>The errors of system calls on sockets (errno(3), asm-generic/errno.h), and what the runtime calls them.</summary>
internal static class Errno
{
    public const int Interrupted = 4; // EINTR
    public const int NoMemory = 12; // ENOMEM
    public const int InProgress = 115; // EINPROGRESS

    /// <summary>As the runtime's own sockets report them; one that is not here is <see cref="SocketError.SocketError"/>.</summary>
    public static SocketError ToSocketError(int errno) => errno switch
    {
        1 or 13 => SocketError.AccessDenied, // EPERM, EACCES
        Interrupted => SocketError.Interrupted,
        11 => SocketError.WouldBlock, // EAGAIN
        NoMemory or 105 => SocketError.NoBufferSpaceAvailable, // ENOBUFS
        22 => SocketError.InvalidArgument, // EINVAL
        23 or 24 => SocketError.TooManyOpenSockets, // ENFILE, EMFILE
        32 => SocketError.Shutdown, // EPIPE
        64 or 113 => SocketError.HostUnreachable, // ENONET, EHOSTUNREACH
        71 or 92 => SocketError.ProtocolOption, // EPROTO, ENOPROTOOPT
        93 => SocketError.ProtocolNotSupported, // EPROTONOSUPPORT
        95 => SocketError.OperationNotSupported, // EOPNOTSUPP
        99 => SocketError.AddressNotAvailable, // EADDRNOTAVAIL
        100 => SocketError.NetworkDown, // ENETDOWN
        101 => SocketError.NetworkUnreachable, // ENETUNREACH
        102 => SocketError.NetworkReset, // ENETRESET
        103 => SocketError.ConnectionAborted, // ECONNABORTED
        104 => SocketError.ConnectionReset, // ECONNRESET
        107 => SocketError.NotConnected, // ENOTCONN
        110 => SocketError.TimedOut, // ETIMEDOUT
        111 => SocketError.ConnectionRefused, // ECONNREFUSED
        112 => SocketError.HostDown, // EHOSTDOWN
        InProgress => SocketError.InProgress,
        _ => SocketError.SocketError,
    };
}
