using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Sets the options of datagram sockets.</summary>
internal sealed class DatagramTuning(DatagramSocketOptions options)
{
    private const int DscpShift = 2;
    private const int DefaultReceiveBuffer = 4 << 20;

    // IP_PMTUDISC_DONT and IP_PMTUDISC_DO (linux/in.h); those of IPv6 are the same.
    private const int Fragment = 0;
    private const int DontFragment = 2;

    /// <summary>A datagram socket of the family of an address, its options as the runtime leaves them.</summary>
    public static Socket Create(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        if (address.Address.IsIPv4MappedToIPv6)
        {
            socket.DualMode = true;
        }

        if (OperatingSystem.IsWindows())
        {
            // SIO_UDP_CONNRESET: an answer of ICMP must not end a receive.
            const int NoConnectionReset = unchecked((int)0x9800000C);
            socket.IOControl(NoConnectionReset, [0, 0, 0, 0], null);
        }

        return socket;
    }

    /// <summary>Before the bind, or the connect.</summary>
    /// <exception cref="SocketOptionException">An option cannot be had for the address or on this platform, or is refused.</exception>
    public void Apply(Socket socket, IPEndPoint address, bool isBinding)
    {
        CheckPlatform();
        if (isBinding)
        {
            ApplyFamily(socket, address);
        }

        Set<int>("ReceiveBufferSizeInBytes", options.ReceiveBufferSizeInBytes, ApplyReceiveBuffer);
        Set("SendBufferSizeInBytes", options.SendBufferSizeInBytes, size => socket.SendBufferSize = size);
        Set("Dscp", options.Dscp, dscp => SocketTuning.SetDscp(socket, dscp << DscpShift));
        Set("TimeToLive", options.TimeToLive, hops => ApplyTimeToLive(socket, hops));
        Set("DontFragment", options.DontFragment, isForbidden => ApplyFragmentation(socket, isForbidden));
        if (options.Device is { } device)
        {
            SocketOptionRefusal.Guard("Socket.Device", device, () => RawOption.BindToDevice.Set(socket, Encoding.UTF8.GetBytes(device)));
        }

        if (options.Broadcast)
        {
            Set<bool>("Broadcast", true, _ => socket.EnableBroadcast = true);
        }

        void ApplyReceiveBuffer(int size)
        {
            try
            {
                socket.ReceiveBufferSize = size;
            }
            catch (SocketException) when (size == DefaultReceiveBuffer)
            {
                // A system that refuses what it cannot grant (macOS): nobody asked for it.
            }
        }
    }

    /// <summary>For the loops that receive ancillary data: what is said with each datagram.</summary>
    /// <returns>Whether anything is.</returns>
    public bool AskForControl(Socket socket, bool isBoundToAll)
    {
        var isIPv6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        if (isBoundToAll)
        {
            // Both on a socket of IPv6, which has datagrams of IPv4 peers, too.
            RawOption.PacketInfo.Set(socket, 1);
            if (isIPv6)
            {
                RawOption.PacketInfoIPv6.Set(socket, 1);
            }
        }

        if (options.ReceiveMarks)
        {
            Set<bool>("ReceiveMarks", true, _ =>
            {
                RawOption.ReceiveTypeOfService.Set(socket, 1);
                RawOption.ReceiveTimeToLive.Set(socket, 1);
                if (isIPv6)
                {
                    RawOption.ReceiveTrafficClass.Set(socket, 1);
                    RawOption.ReceiveHopLimit.Set(socket, 1);
                }
            });
        }

        return isBoundToAll || options.ReceiveMarks;
    }

    private void CheckPlatform()
    {
        if (OperatingSystem.IsLinux())
        {
            return;
        }

        (string Option, object? Value)[] linuxOnly =
        [
            (nameof(options.Device), options.Device),
            (nameof(options.Dscp), options.Dscp),
            (nameof(options.ReceiveMarks), options.ReceiveMarks ? true : null),
        ];
        foreach (var (option, value) in linuxOnly)
        {
            if (value is not null)
            {
                throw new SocketOptionException($"Socket.{option}", value, "it can be set on Linux only; remove the option");
            }
        }
    }

    private void ApplyFamily(Socket socket, IPEndPoint address)
    {
        if (options.IPv6Only && (address.AddressFamily == AddressFamily.InterNetwork || address.Address.IsIPv4MappedToIPv6))
        {
            throw new SocketOptionException("Socket.IPv6Only", true, $"{address} is an IPv4 address; use an IPv6 address, [::] or *, or remove the option");
        }

        if (address.Address.Equals(IPAddress.IPv6Any))
        {
            socket.DualMode = !options.IPv6Only;
        }
    }

    private static void ApplyTimeToLive(Socket socket, int hops)
    {
        if (!OperatingSystem.IsLinux())
        {
            socket.Ttl = (short)hops;
            return;
        }

        RawOption.TimeToLive.Set(socket, hops);
        if (socket.AddressFamily == AddressFamily.InterNetworkV6)
        {
            RawOption.HopLimit.Set(socket, hops);
        }
    }

    private static void ApplyFragmentation(Socket socket, bool isForbidden)
    {
        if (!OperatingSystem.IsLinux())
        {
            socket.DontFragment = isForbidden;
            return;
        }

        RawOption.MtuDiscover.Set(socket, isForbidden ? DontFragment : Fragment);
        if (socket.AddressFamily == AddressFamily.InterNetworkV6)
        {
            RawOption.MtuDiscoverIPv6.Set(socket, isForbidden ? DontFragment : Fragment);
        }
    }

    private static void Set<T>(string option, T? value, Action<T> set)
        where T : struct
    {
        if (value is { } asked)
        {
            SocketOptionRefusal.Guard($"Socket.{option}", asked, () => set(asked));
        }
    }
}
