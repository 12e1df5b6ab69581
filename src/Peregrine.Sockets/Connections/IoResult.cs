using System.Net.Sockets;

namespace Peregrine.Sockets.Connections;

/// <summary>How a socket operation ended: the bytes that were moved, or the error.</summary>
internal readonly record struct IoResult(int Bytes, SocketError Error)
{
    public static IoResult WouldBlock => new(0, SocketError.WouldBlock);

    /// <summary>The operation found the socket released by this side.</summary>
    public static IoResult Released => new(0, SocketError.OperationAborted);

    public bool IsWouldBlock => Error == SocketError.WouldBlock;

    public bool IsError => Error is not (SocketError.Success or SocketError.WouldBlock);
}
