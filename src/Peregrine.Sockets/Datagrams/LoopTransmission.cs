using System.Net.Sockets;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Sends by sendmmsg(2), and is told by the loop when there is room.</summary>
/// <param name="loop">Counts who uses the descriptor.</param>
/// <param name="socket">The same.</param>
/// <param name="messages">To send from.</param>
/// <param name="largestSegment">See <see cref="LargestSegment"/>.</param>
/// <param name="peer">Of a connected socket; otherwise unspecified.</param>
internal sealed class LoopTransmission(LoopDatagramSocket loop, Socket socket, OutgoingMessages messages, int largestSegment, DatagramAddress peer) : ITransmission
{
    public int LargestSegment => largestSegment;

    public bool IsConnected => peer != DatagramAddress.Unspecified;

    public int MostMessages => messages.Capacity;

    public void Prepare(int index, in OutgoingMessage message, SendRing ring) =>
        messages.Prepare(index, ring.Memory(message.Offset, message.Length).Span, ring.Entry(message.Entry), message.Datagrams > 1);

    public Transmitted Transmit(int count) => loop.Send(messages, count) switch
    {
        null => new Transmitted(0, SendError.Closed),
        >= 0 and var sent => new Transmitted(sent),
        { } errno => new Transmitted(0, ErrorOf(-errno), -errno),
    };

    public void WaitForRoom(QueuedSender sender)
    {
        if (!loop.TryWaitForRoom())
        {
            sender.RetryLater();
        }
    }

    public int? GetPathMtu(in DatagramPath path) =>
        path.RemoteAddress != DatagramAddress.Unspecified && path.RemoteAddress != peer ? PathMtu.Ask(path)
        : IsConnected ? PathMtu.AskConnected(socket, peer.IsIPv4)
        : null;

    private static SendError ErrorOf(int errno) => errno switch
    {
        Errno.TryAgain => SendError.WouldBlock,
        Errno.NoMemory or Errno.NoBuffers => SendError.Starved,
        Errno.MessageTooLong => SendError.TooLarge,
        Errno.NetworkDown or Errno.NetworkUnreachable or Errno.HostDown or Errno.HostUnreachable or Errno.ConnectionRefused => SendError.Unreachable,
        Errno.NotPermitted or Errno.AccessDenied => SendError.Refused,
        _ => SendError.Other,
    };
}
