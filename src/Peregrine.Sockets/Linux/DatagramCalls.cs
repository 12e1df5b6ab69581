using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>recvmmsg(2) and sendmmsg(2): many datagrams with each call. None waits, whatever the flags of the descriptor.</summary>
/// <param name="Receive">recvmmsg.</param>
/// <param name="Send">sendmmsg. What stops it behind the first message is told by the next call.</param>
internal sealed unsafe partial record DatagramCalls(DatagramCalls.ManyMessages Receive, DatagramCalls.ManyMessages Send)
{
    private const int DontWait = 0x40; // MSG_DONTWAIT
    private const int NoSignal = 0x4000; // MSG_NOSIGNAL

    public static readonly DatagramCalls System = new(ReceiveMany, SendMany);

    /// <returns>How many messages; negative, it is an errno.</returns>
    public delegate int ManyMessages(int descriptor, Message* messages, int count);

    /// <summary>Whether the process may make them at all: a sandbox may have taken them away (seccomp(2)).</summary>
    public bool AreAllowed(int descriptor) => Receive(descriptor, null, 0) >= 0 && Send(descriptor, null, 0) >= 0;

    private static int ReceiveMany(int descriptor, Message* messages, int count)
    {
        while (true)
        {
            var received = RecvMmsg(descriptor, messages, (uint)count, DontWait, null);
            if (received >= 0)
            {
                return received;
            }

            // Asked for right after the call: see SocketCalls.
            var errno = Marshal.GetLastSystemError();
            if (errno != Errno.Interrupted)
            {
                return -errno;
            }
        }
    }

    private static int SendMany(int descriptor, Message* messages, int count)
    {
        while (true)
        {
            var sent = SendMmsg(descriptor, messages, (uint)count, DontWait | NoSignal);
            if (sent >= 0)
            {
                return sent;
            }

            var errno = Marshal.GetLastSystemError();
            if (errno != Errno.Interrupted)
            {
                return -errno;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "recvmmsg")]
    private static partial int RecvMmsg(int descriptor, Message* messages, uint count, int flags, void* timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg")]
    private static partial int SendMmsg(int descriptor, Message* messages, uint count, int flags);

    /// <summary>struct mmsghdr on 64 bits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Message
    {
        public SocketCalls.MessageHeader Header;
        public uint Length;
    }
}
