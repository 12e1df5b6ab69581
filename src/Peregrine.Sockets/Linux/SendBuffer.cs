using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>What the kernel still holds of what a TCP socket was given to send.</summary>
internal static partial class SendBuffer
{
    private const int OutQueue = 0x5411; // TIOCOUTQ, which is SIOCOUTQ (tcp(7), linux/sockios.h)

    /// <summary>
    /// How many bytes the peer has not acknowledged, a FIN that was sent counting as one; null where that cannot be told: another system,
    /// another protocol, a released socket.
    /// </summary>
    public static int? Unacknowledged(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
        {
            return null;
        }

        try
        {
            return Control(socket.SafeHandle, OutQueue, out var bytes) == 0 ? bytes : null;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Control(SafeSocketHandle socket, nuint request, out int value);
}
