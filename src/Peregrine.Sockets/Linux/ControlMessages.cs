using System.Buffers.Binary;

namespace Peregrine.Sockets.Linux;

/// <summary>Ancillary data of datagrams (cmsg(3)): what is asked for with each, and what is said with each (ip(7), ipv6(7), udp(7)).</summary>
internal static unsafe class ControlMessages
{
    /// <summary>Room for all that <see cref="Read"/> knows, and as much again.</summary>
    public const int ReceivedLength = 256;

    /// <summary>Room for all that is written with a datagram: a packet information of IPv6, two numbers and a segment size.</summary>
    public const int SentLength = 40 + (3 * 24);

    private const int SolIP = 0;
    private const int SolIPv6 = 41;
    private const int SolUdp = 17;
    private const int IPTypeOfService = 1; // IP_TOS
    private const int IPTimeToLive = 2; // IP_TTL
    private const int IPPacketInfo = 8; // IP_PKTINFO
    private const int IPv6PacketInfo = 50; // IPV6_PKTINFO
    private const int IPv6HopLimit = 52; // IPV6_HOPLIMIT
    private const int IPv6TrafficClass = 67; // IPV6_TCLASS
    private const int UdpSegment = 103; // UDP_SEGMENT (linux/udp.h)
    private const int UdpCoalesced = 104; // UDP_GRO (linux/udp.h)

    // struct cmsghdr on 64 bits: length, level, type.
    private const int HeaderLength = 16;
    private const int LevelOffset = 8;
    private const int TypeOffset = 12;

    private const int IPv4PacketInfoLength = 12; // struct in_pktinfo: interface, local address, destination address
    private const int IPv6PacketInfoLength = 20; // struct in6_pktinfo: address, interface

    /// <summary>What is said with a datagram that was received.</summary>
    public static ReceivedControl Read(ReadOnlySpan<byte> control)
    {
        var read = new ReceivedControl { TypeOfService = -1, TimeToLive = -1 };
        while (control.Length >= HeaderLength)
        {
            var length = BitConverter.ToUInt64(control);
            if (length < HeaderLength || length > (ulong)control.Length)
            {
                break;
            }

            ReadOne(BitConverter.ToInt32(control[LevelOffset..]), BitConverter.ToInt32(control[TypeOffset..]), control[HeaderLength..(int)length], ref read);
            control = control[Math.Min(Align((int)length), control.Length)..];
        }

        return read;
    }

    /// <summary>Says from which address, or by which interface, a datagram is to leave.</summary>
    /// <returns>How many bytes it took.</returns>
    public static int WriteSource(Span<byte> control, in DatagramAddress source, int interfaceIndex, bool isIPv4)
    {
        if (isIPv4)
        {
            var info = Begin(control, SolIP, IPPacketInfo, IPv4PacketInfoLength);
            BitConverter.TryWriteBytes(info, interfaceIndex);
            BinaryPrimitives.WriteUInt32BigEndian(info[4..], source.IPv4Bits);
            BitConverter.TryWriteBytes(info[8..], 0);
            return HeaderLength + Align(IPv4PacketInfoLength);
        }

        var info6 = Begin(control, SolIPv6, IPv6PacketInfo, IPv6PacketInfoLength);
        BinaryPrimitives.WriteUInt64BigEndian(info6, source.UpperBits);
        BinaryPrimitives.WriteUInt64BigEndian(info6[8..], source.LowerBits);
        BitConverter.TryWriteBytes(info6[16..], interfaceIndex);
        return HeaderLength + Align(IPv6PacketInfoLength);
    }

    public static int WriteTypeOfService(Span<byte> control, int value, bool isIPv4) =>
        WriteNumber(control, isIPv4 ? SolIP : SolIPv6, isIPv4 ? IPTypeOfService : IPv6TrafficClass, value);

    public static int WriteTimeToLive(Span<byte> control, int value, bool isIPv4) =>
        WriteNumber(control, isIPv4 ? SolIP : SolIPv6, isIPv4 ? IPTimeToLive : IPv6HopLimit, value);

    public static int WriteSegmentSize(Span<byte> control, int bytes)
    {
        BitConverter.TryWriteBytes(Begin(control, SolUdp, UdpSegment, sizeof(ushort)), (ushort)bytes);
        return HeaderLength + Align(sizeof(ushort));
    }

    private static int WriteNumber(Span<byte> control, int level, int type, int value)
    {
        BitConverter.TryWriteBytes(Begin(control, level, type, sizeof(int)), value);
        return HeaderLength + Align(sizeof(int));
    }

    private static Span<byte> Begin(Span<byte> control, int level, int type, int length)
    {
        BitConverter.TryWriteBytes(control, (ulong)(HeaderLength + length));
        BitConverter.TryWriteBytes(control[LevelOffset..], level);
        BitConverter.TryWriteBytes(control[TypeOffset..], type);
        return control[HeaderLength..];
    }

    private static void ReadOne(int level, int type, ReadOnlySpan<byte> data, ref ReceivedControl read)
    {
        switch (level, type)
        {
            case (SolIP, IPPacketInfo) when data.Length >= IPv4PacketInfoLength:
                // Of a broadcast, the address to answer from; a group stays what it is (in_pktinfo: ipi_spec_dst and ipi_addr, ip(7)).
                var destination = BinaryPrimitives.ReadUInt32BigEndian(data[8..]);
                read.LocalAddress = new DatagramAddress(
                    destination >> 28 == 0xE ? destination : BinaryPrimitives.ReadUInt32BigEndian(data[4..]), 0);
                read.InterfaceIndex = BitConverter.ToInt32(data);
                break;
            case (SolIPv6, IPv6PacketInfo) when data.Length >= IPv6PacketInfoLength:
                var upper = BinaryPrimitives.ReadUInt64BigEndian(data);
                var lower = BinaryPrimitives.ReadUInt64BigEndian(data[8..]);
                var index = BitConverter.ToInt32(data[16..]);
                var address = new DatagramAddress(upper, lower, 0, IsLinkLocal(upper) ? (uint)index : 0);
                if (!address.IsIPv4)
                {
                    // Of an IPv4 datagram there is the other one, too, which knows more.
                    read.LocalAddress = address;
                    read.InterfaceIndex = index;
                }

                break;
            case (SolIP, IPTypeOfService) when data.Length >= 1:
                read.TypeOfService = data[0];
                break;
            case (SolIPv6, IPv6TrafficClass) when data.Length >= sizeof(int):
                read.TypeOfService = BitConverter.ToInt32(data);
                break;
            case (SolIP, IPTimeToLive) or (SolIPv6, IPv6HopLimit) when data.Length >= sizeof(int):
                read.TimeToLive = BitConverter.ToInt32(data);
                break;
            case (SolUdp, UdpCoalesced) when data.Length >= sizeof(int):
                read.SegmentSize = BitConverter.ToInt32(data);
                break;
        }
    }

    // fe80::/10
    private static bool IsLinkLocal(ulong upper) => upper >> 54 == 0x3FA;

    private static int Align(int length) => (length + 7) & ~7;
}

/// <summary>What ancillary data said.</summary>
internal struct ReceivedControl
{
    /// <summary>Without a port.</summary>
    public DatagramAddress LocalAddress;
    public int InterfaceIndex;

    /// <summary>Negative if it was not said.</summary>
    public int TypeOfService;

    /// <summary>Negative if it was not said.</summary>
    public int TimeToLive;

    /// <summary>Of datagrams that came as one; zero if it is one.</summary>
    public int SegmentSize;
}
