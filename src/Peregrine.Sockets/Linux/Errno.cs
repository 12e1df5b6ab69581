using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>The errors of system calls on sockets (errno(3), asm-generic/errno.h), and what the runtime calls them.</summary>
internal static class Errno
{
    public const int NotPermitted = 1; // EPERM
    public const int Interrupted = 4; // EINTR
    public const int TryAgain = 11; // EAGAIN
    public const int NoMemory = 12; // ENOMEM
    public const int AccessDenied = 13; // EACCES
    public const int MessageTooLong = 90; // EMSGSIZE
    public const int NetworkDown = 100; // ENETDOWN
    public const int NetworkUnreachable = 101; // ENETUNREACH
    public const int NoBuffers = 105; // ENOBUFS
    public const int ConnectionRefused = 111; // ECONNREFUSED
    public const int HostDown = 112; // EHOSTDOWN
    public const int HostUnreachable = 113; // EHOSTUNREACH
    public const int InProgress = 115; // EINPROGRESS

    /// <summary>As the runtime's own sockets report them; one that is not here is <see cref="SocketError.SocketError"/>.</summary>
    public static SocketError ToSocketError(int errno) => errno switch
    {
        NotPermitted or AccessDenied => SocketError.AccessDenied,
        Interrupted => SocketError.Interrupted,
        TryAgain => SocketError.WouldBlock,
        NoMemory or NoBuffers => SocketError.NoBufferSpaceAvailable,
        22 => SocketError.InvalidArgument, // EINVAL
        23 or 24 => SocketError.TooManyOpenSockets, // ENFILE, EMFILE
        32 => SocketError.Shutdown, // EPIPE
        64 or HostUnreachable => SocketError.HostUnreachable, // ENONET
        71 or 92 => SocketError.ProtocolOption, // EPROTO, ENOPROTOOPT
        MessageTooLong => SocketError.MessageSize,
        93 => SocketError.ProtocolNotSupported, // EPROTONOSUPPORT
        95 => SocketError.OperationNotSupported, // EOPNOTSUPP
        99 => SocketError.AddressNotAvailable, // EADDRNOTAVAIL
        NetworkDown => SocketError.NetworkDown,
        NetworkUnreachable => SocketError.NetworkUnreachable,
        102 => SocketError.NetworkReset, // ENETRESET
        103 => SocketError.ConnectionAborted, // ECONNABORTED
        104 => SocketError.ConnectionReset, // ECONNRESET
        107 => SocketError.NotConnected, // ENOTCONN
        110 => SocketError.TimedOut, // ETIMEDOUT
        ConnectionRefused => SocketError.ConnectionRefused,
        HostDown => SocketError.HostDown,
        InProgress => SocketError.InProgress,
        _ => SocketError.SocketError,
    };
}
