using System.Net;
using System.Net.Sockets;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Sends by the runtime's socket, one datagram with each system call.</summary>
internal sealed class RuntimeTransmission(Socket socket, ReceiveShape shape) : ITransmission
{
    private readonly OutgoingMessage[] _messages = new OutgoingMessage[shape.Messages];
    private readonly Memory<byte>[] _payloads = new Memory<byte>[shape.Messages];
    private readonly DatagramAddress[] _remotes = new DatagramAddress[shape.Messages];
    private readonly bool _isIPv6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
    private readonly SocketAddress _to = new(socket.AddressFamily);
    private int _waiting;
    private int _isWaiting;

    public int LargestSegment => 0;

    public bool IsConnected => shape.Peer != DatagramAddress.Unspecified;

    public int MostMessages => shape.Messages;

    public void Prepare(int index, in OutgoingMessage message, SendRing ring)
    {
        _messages[index] = message;
        _payloads[index] = ring.Memory(message.Offset, message.Length);
        _remotes[index] = ring.Entry(message.Entry).Path.RemoteAddress;
    }

    public Transmitted Transmit(int count)
    {
        if (Volatile.Read(ref _isWaiting) != 0)
        {
            return new Transmitted(0, SendError.WouldBlock);
        }

        for (var i = 0; i < count; i++)
        {
            try
            {
                if (IsPeer(_remotes[i]))
                {
                    socket.Send(_payloads[i].Span);
                }
                else if (!TryAddress(_remotes[i]))
                {
                    return new Transmitted(i, SendError.Other);
                }
                else
                {
                    socket.SendTo(_payloads[i].Span, SocketFlags.None, _to);
                }
            }
            catch (SocketException exception)
            {
                _waiting = i;
                return new Transmitted(i, ErrorOf(exception.SocketErrorCode), (int)exception.SocketErrorCode);
            }
            catch (ObjectDisposedException)
            {
                return new Transmitted(i, SendError.Closed);
            }
        }

        return new Transmitted(count);
    }

    public void WaitForRoom(QueuedSender sender)
    {
        if (Interlocked.Exchange(ref _isWaiting, 1) == 0)
        {
            _ = SendWaitingAsync(sender);
        }
    }

    public int? GetPathMtu(in DatagramPath path) =>
        !OperatingSystem.IsLinux() ? null
        : !IsPeer(path.RemoteAddress) ? PathMtu.Ask(path)
        : IsConnected ? PathMtu.AskConnected(socket, shape.Peer.IsIPv4)
        : null;

    /// <summary>The runtime tells of room only by sending.</summary>
    private async Task SendWaitingAsync(QueuedSender sender)
    {
        var message = _messages[_waiting];
        var payload = _payloads[_waiting];
        Transmitted transmitted;
        try
        {
            if (IsPeer(_remotes[_waiting]))
            {
                await socket.SendAsync(payload, SocketFlags.None).ConfigureAwait(false);
            }
            else
            {
                TryAddress(_remotes[_waiting]);
                await socket.SendToAsync(payload, SocketFlags.None, _to).ConfigureAwait(false);
            }

            transmitted = new Transmitted(1);
        }
        catch (SocketException exception)
        {
            transmitted = new Transmitted(0, ErrorOf(exception.SocketErrorCode), (int)exception.SocketErrorCode);
        }
        catch (ObjectDisposedException)
        {
            transmitted = new Transmitted(0, SendError.Closed);
        }

        Volatile.Write(ref _isWaiting, 0);
        sender.OnRoom(transmitted, message);
    }

    private bool IsPeer(in DatagramAddress remote) => remote == DatagramAddress.Unspecified || remote == shape.Peer;

    /// <summary>False if a socket of this family cannot send there.</summary>
    private bool TryAddress(in DatagramAddress remote)
    {
        if (!_isIPv6 && !remote.IsIPv4)
        {
            return false;
        }

        DatagramAddressBytes.WriteBehindFamily(_to.Buffer.Span, remote, _isIPv6);
        return true;
    }

    private static SendError ErrorOf(SocketError error) => error switch
    {
        SocketError.WouldBlock or SocketError.IOPending => SendError.WouldBlock,
        SocketError.NoBufferSpaceAvailable => SendError.Starved,
        SocketError.MessageSize => SendError.TooLarge,
        SocketError.NetworkDown or SocketError.NetworkUnreachable or SocketError.HostDown or SocketError.HostUnreachable
            or SocketError.ConnectionRefused or SocketError.ConnectionReset => SendError.Unreachable,
        SocketError.AccessDenied => SendError.Refused,
        SocketError.OperationAborted or SocketError.Interrupted => SendError.Closed,
        _ => SendError.Other,
    };
}
