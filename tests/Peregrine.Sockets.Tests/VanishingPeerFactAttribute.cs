using System.Net.Sockets;

namespace Peregrine.Sockets.Tests;

/// <summary>
/// A test with a peer that is gone without a word: a socket under repair (TCP_REPAIR of linux/tcp.h, for moving connections between machines) sends
/// nothing when it is closed. That needs CAP_NET_ADMIN.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class VanishingPeerFactAttribute : FactAttribute
{
    public VanishingPeerFactAttribute()
    {
        if (!OperatingSystem.IsLinux())
        {
            Skip = "Linux only.";
            return;
        }

        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            TurnRepairOn(socket);
        }
        catch (SocketException exception)
        {
            Skip = $"Needs the right to repair TCP connections: {exception.Message}.";
        }
    }

    public static void TurnRepairOn(Socket socket) => socket.SetRawSocketOption(6, 19, BitConverter.GetBytes(1));
}
