using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// Asks the kernel for the states of the TCP sockets of a port, by sock_diag(7). The kernel selects them, so that a machine with many other
/// sockets costs no copies.
/// </summary>
internal static partial class SocketDiagnostics
{
    private const int AddressFamilyNetlink = 16; // AF_NETLINK
    private const int RawCloseOnExec = 3 | 0x80000; // SOCK_RAW | SOCK_CLOEXEC
    private const int NetlinkSockDiag = 4; // NETLINK_SOCK_DIAG
    private const int SolSocket = 1;
    private const int ReceiveTimeout = 20; // SO_RCVTIMEO
    private const int BufferSize = 64 * 1024;

    // nlmsghdr of linux/netlink.h
    private const int HeaderSize = 16;
    private const int TypeOffset = 4;
    private const int FlagsOffset = 6;
    private const ushort DumpRequest = 0x301; // NLM_F_REQUEST | NLM_F_DUMP
    private const ushort DumpInterrupted = 0x10; // NLM_F_DUMP_INTR
    private const ushort MessageError = 2; // NLMSG_ERROR
    private const ushort MessageDone = 3; // NLMSG_DONE

    // linux/sock_diag.h and linux/inet_diag.h
    private const ushort SockDiagByFamily = 20;
    private const int RequestSize = 56; // struct inet_diag_req_v2
    private const int StatesOffset = 4;
    private const int ReplyStateOffset = 1; // idiag_state of struct inet_diag_msg
    private const byte ProtocolTcp = 6;
    private const uint AllStates = 0x1FFE; // TCP_ESTABLISHED to TCP_NEW_SYN_RECV
    private const ushort Bytecode = 1; // INET_DIAG_REQ_BYTECODE
    private const byte SourcePortAtLeast = 2; // INET_DIAG_BC_S_GE
    private const byte SourcePortAtMost = 3; // INET_DIAG_BC_S_LE
    private const int AttributeSize = 4 + (4 * 4);
    private const int MessageSize = HeaderSize + RequestSize + AttributeSize;

    private const byte FamilyIPv4 = 2;
    private const byte FamilyIPv6 = 10;
    private const int MostAttempts = 5;

    /// <summary>Tells <paramref name="onSocket"/> the state (TCP_… of net/tcp_states.h) of each socket whose local port it is.</summary>
    /// <returns>False if the kernel does not tell, as under some sandboxes; what was told until then means nothing.</returns>
    public static bool TryVisit(int port, Action<byte> onSocket)
    {
        using var netlink = Open(AddressFamilyNetlink, RawCloseOnExec, NetlinkSockDiag);
        if (netlink.IsInvalid)
        {
            return false;
        }

        // An answer that never comes must not hold the caller.
        Span<nint> oneSecond = [1, 0];
        _ = SetOption(netlink, SolSocket, ReceiveTimeout, oneSecond, 2 * nint.Size);
        var buffer = new byte[BufferSize];
        return TryVisit(netlink, FamilyIPv4, port, onSocket, buffer) && TryVisit(netlink, FamilyIPv6, port, onSocket, buffer);
    }

    private static bool TryVisit(SafeFileHandle netlink, byte family, int port, Action<byte> onSocket, byte[] buffer)
    {
        // A dump during which the tables change may miss sockets, and says so.
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            var states = new List<byte>();
            if (!TrySend(netlink, family, port) || !TryReceive(netlink, states, buffer, out var isComplete))
            {
                return false;
            }

            if (isComplete || attempt == MostAttempts - 1)
            {
                states.ForEach(onSocket);
                break;
            }
        }

        return true;
    }

    private static bool TrySend(SafeFileHandle netlink, byte family, int port)
    {
        Span<byte> message = stackalloc byte[MessageSize];
        message.Clear();
        MemoryMarshal.Write(message, MessageSize);
        MemoryMarshal.Write(message[TypeOffset..], SockDiagByFamily);
        MemoryMarshal.Write(message[FlagsOffset..], DumpRequest);
        var request = message[HeaderSize..];
        request[0] = family;
        request[1] = ProtocolTcp;
        MemoryMarshal.Write(request[StatesOffset..], AllStates);
        WriteFilter(request[RequestSize..], (ushort)port);
        return Send(netlink, message, MessageSize, 0) == MessageSize;
    }

    /// <summary>
    /// Two comparisons, each with its operand behind it. An operation that holds goes on with the next; one that does not jumps beyond the end,
    /// which rejects (inet_diag_bc_run of net/ipv4/inet_diag.c). The comparison for equality is younger than these.
    /// </summary>
    private static void WriteFilter(Span<byte> attribute, ushort port)
    {
        MemoryMarshal.Write(attribute, (ushort)AttributeSize);
        MemoryMarshal.Write(attribute[2..], Bytecode);
        Write(attribute[4..], SourcePortAtLeast, yes: 8, no: 20);
        Write(attribute[8..], 0, yes: 0, no: port);
        Write(attribute[12..], SourcePortAtMost, yes: 8, no: 12);
        Write(attribute[16..], 0, yes: 0, no: port);

        static void Write(Span<byte> operation, byte code, byte yes, ushort no)
        {
            operation[0] = code;
            operation[1] = yes;
            MemoryMarshal.Write(operation[2..], no);
        }
    }

    /// <summary>Reads messages until the one that ends the dump.</summary>
    private static bool TryReceive(SafeFileHandle netlink, List<byte> states, byte[] buffer, out bool isComplete)
    {
        isComplete = true;
        while (true)
        {
            var received = (int)Receive(netlink, buffer, BufferSize, 0);
            if (received < HeaderSize)
            {
                return false; // Also a time-out, and an overrun of the socket's buffer.
            }

            var rest = buffer.AsSpan(0, received);
            while (rest.Length >= HeaderSize)
            {
                var length = MemoryMarshal.Read<int>(rest);
                if (length < HeaderSize || length > rest.Length)
                {
                    return false;
                }

                var type = MemoryMarshal.Read<ushort>(rest[TypeOffset..]);
                isComplete &= (MemoryMarshal.Read<ushort>(rest[FlagsOffset..]) & DumpInterrupted) == 0;
                switch (type)
                {
                    case MessageDone:
                        return true;
                    case MessageError:
                        return false;
                    case SockDiagByFamily when length > HeaderSize + ReplyStateOffset:
                        states.Add(rest[HeaderSize + ReplyStateOffset]);
                        break;
                }

                // Messages are aligned to four bytes.
                rest = rest[Math.Min((length + 3) & ~3, rest.Length)..];
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial SafeFileHandle Open(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(SafeFileHandle socket, int level, int name, Span<nint> value, int size);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> message, nint size, int flags);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> buffer, nint size, int flags);
}
