using System.Net;
using System.Net.Sockets;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <summary>A socket of the operating system that the runtime has no object for, unless somebody asks for it.</summary>
internal interface IConnectedSocket
{
    bool IsTcp { get; }

    /// <exception cref="ObjectDisposedException">The connection is released.</exception>
    Socket Socket { get; }

    /// <summary>Null after the release.</summary>
    EndPoint? LocalEndPoint { get; }

    EndPoint? RemoteEndPoint { get; }

    /// <summary>How many bytes the system has received that nobody took; null after the release.</summary>
    long? UnreceivedBytes { get; }

    bool TryGetTcpInfo(out TcpConnectionInfo info);

    /// <summary>Runs work where the connection's own goes on.</summary>
    void Schedule(IThreadPoolWorkItem work);
}
