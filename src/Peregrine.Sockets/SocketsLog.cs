using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets;

/// <summary>Every log message of this assembly. Event ids are stable.</summary>
internal static partial class SocketsLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Sockets";

    [LoggerMessage(1, LogLevel.Warning, "A callback on ConnectionClosed of connection {ConnectionId} failed.")]
    public static partial void ClosedCallbackFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(2, LogLevel.Warning,
        "Accepting on {EndPoint} fails with {Error} ({Count} times since the last report); it is tried again at intervals of up to one second. TooManyOpenSockets means that the limit of open files (ulimit -n, LimitNOFILE= of systemd) is too low for what the process opens.")]
    public static partial void AcceptFailed(ILogger logger, EndPoint endPoint, SocketError error, long count);

    [LoggerMessage(3, LogLevel.Debug, "A connection accepted on {EndPoint} was gone before it could be served: {Error}.")]
    public static partial void AcceptedConnectionGone(ILogger logger, EndPoint endPoint, string error);

    [LoggerMessage(5, LogLevel.Warning,
        "A handler of {EndPoint} has held an event loop for {Milliseconds:0} ms, in which no other connection of that loop was served: a handler that blocks or computes for long needs the scheduling \"ThreadPool\" instead of \"Inline\".")]
    public static partial void LoopHeld(ILogger logger, EndPoint? endPoint, double milliseconds);

    [LoggerMessage(6, LogLevel.Information, "{Option} = {Asked}: the kernel grants {Granted}; {Sysctl} is its bound.")]
    public static partial void GrantedOtherwise(ILogger logger, string option, long asked, long granted, string sysctl);

    [LoggerMessage(7, LogLevel.Warning,
        "Socket.FastOpenQueueLength = {Length}: the kernel has TCP Fast Open switched off for servers, so connections are accepted without it; set bit 2 of net.ipv4.tcp_fastopen, which is {Setting}.")]
    public static partial void FastOpenIsOff(ILogger logger, int length, long setting);

    [LoggerMessage(8, LogLevel.Warning,
        "A handler of {EndPoint} has held an event loop for {Milliseconds:0} ms, and all of the {Threads} threads that can go on with event loops are held, too: the other connections of that loop wait. Handlers that block for long, and many at once, need the scheduling \"ThreadPool\" instead of \"EventLoop\".")]
    public static partial void LoopStalled(ILogger logger, EndPoint? endPoint, double milliseconds, int threads);

    [LoggerMessage(9, LogLevel.Error, "What ran on an event loop for {EndPoint} threw an exception; the loop goes on.")]
    public static partial void LoopWorkFailed(ILogger logger, EndPoint? endPoint, Exception exception);

    [LoggerMessage(10, LogLevel.Warning, "Scheduling \"{Scheduling}\" is not possible, so \"ThreadPool\" is used: the event loops stand on epoll, which only Linux has.")]
    public static partial void EventLoopNotPossible(ILogger logger, ConnectionScheduling scheduling);

    [LoggerMessage(11, LogLevel.Error, "The listening socket of {EndPoint} is gone: it was closed or shut down outside the transport. Nothing is accepted on it any more.")]
    public static partial void ListenerGone(ILogger logger, EndPoint endPoint);

    [LoggerMessage(20, LogLevel.Information,
        "Datagrams on {EndPoint}: {Io}, {Sockets} socket(s), {BatchSize} with each call, coalesced by the kernel: {Coalescing}, segmented by the kernel: {Segmentation}; receive buffer {ReceiveBuffer} bytes.")]
    public static partial void DatagramsBound(ILogger logger, EndPoint endPoint, DatagramIo io, int sockets, int batchSize, bool coalescing, bool segmentation, int receiveBuffer);

    [LoggerMessage(21, LogLevel.Error, "A datagram handler of {EndPoint} threw an exception ({Count} times since the last report), which costs its batch; the next one is handled.")]
    public static partial void DatagramHandlerFailed(ILogger logger, EndPoint endPoint, long count, Exception exception);

    [LoggerMessage(22, LogLevel.Warning, "Receiving datagrams on {EndPoint} fails with {Error} ({Count} times since the last report); it is tried again at intervals of up to one second.")]
    public static partial void DatagramReceiveFailed(ILogger logger, EndPoint endPoint, SocketError error, long count);

    [LoggerMessage(23, LogLevel.Debug, "A peer of {EndPoint} cannot be reached: {Error}.")]
    public static partial void DatagramPeerUnreachable(ILogger logger, EndPoint endPoint, SocketError error);

    [LoggerMessage(24, LogLevel.Information, "Datagrams are not segmented by the kernel any more (UDP_SEGMENT): it is refused here, by the network card or a sandbox. They are sent one by one, and none was lost.")]
    public static partial void SegmentationEnded(ILogger logger);

    [LoggerMessage(25, LogLevel.Warning, "Scheduling \"{Scheduling}\" is not possible for datagrams that are received one by one, so \"ThreadPool\" is used.")]
    public static partial void DatagramLoopNotPossible(ILogger logger, ConnectionScheduling scheduling);
}
