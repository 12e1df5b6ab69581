using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Joins groups, and says how datagrams to groups leave (RFC 1112, RFC 3678).</summary>
internal sealed class MulticastTuning(MulticastOptions options)
{
    // struct group_source_req on 64 bits: an interface, and two of struct sockaddr_storage (linux/in.h).
    private const int SourceRequestLength = 264;
    private const int GroupOffset = 8;
    private const int SourceOffset = 136;

    /// <summary>Joins the groups.</summary>
    /// <exception cref="SocketOptionException">A group cannot be joined with a socket of this family or on this machine, or that is refused.</exception>
    public void Join(Socket socket)
    {
        var (isIPv6, hasIPv4) = FamiliesOf(socket);
        for (var i = 0; i < options.Groups.Count; i++)
        {
            Join(socket, options.Groups[i], $"Socket.Multicast.Groups[{i}]", isIPv6, hasIPv4);
        }
    }

    /// <summary>How datagrams to groups leave; and of groups, none that only others on this machine have joined.</summary>
    /// <exception cref="SocketOptionException">An option cannot be had on this machine, or is refused.</exception>
    public void Apply(Socket socket)
    {
        var (isIPv6, hasIPv4) = FamiliesOf(socket);
        if (OperatingSystem.IsLinux() && options.Groups.Count > 0)
        {
            SocketOptionRefusal.Guard("Socket.Multicast.Groups", options.Groups.Count, () => RefuseOtherGroups(socket, isIPv6));
        }

        var (timeToLive, loopback) = (options.TimeToLive, options.Loopback);
        if (timeToLive != 1)
        {
            SocketOptionRefusal.Guard(
                "Socket.Multicast.TimeToLive", timeToLive, () => SetBoth(SocketOptionName.MulticastTimeToLive, timeToLive, timeToLive));
        }

        if (!loopback)
        {
            SocketOptionRefusal.Guard("Socket.Multicast.Loopback", false, () => SetBoth(SocketOptionName.MulticastLoopback, 0, 0));
        }

        if (options.Interface is { } name)
        {
            var index = IndexOf(name, "Socket.Multicast.Interface");
            SocketOptionRefusal.Guard(
                "Socket.Multicast.Interface", name, () => SetBoth(SocketOptionName.MulticastInterface, IPAddress.HostToNetworkOrder(index), index));
        }

        void SetBoth(SocketOptionName option, int ipv4, int ipv6)
        {
            if (hasIPv4)
            {
                socket.SetSocketOption(SocketOptionLevel.IP, option, ipv4);
            }

            if (isIPv6)
            {
                socket.SetSocketOption(SocketOptionLevel.IPv6, option, ipv6);
            }
        }
    }

    private static void Join(Socket socket, MulticastGroup group, string path, bool isIPv6, bool hasIPv4)
    {
        var address = group.Address!;
        var isIPv4 = address.AddressFamily == AddressFamily.InterNetwork;
        if (isIPv4 ? !hasIPv4 : !isIPv6)
        {
            throw new SocketOptionException(
                $"{path}.Address", address, $"{socket.LocalEndPoint} does not receive {(isIPv4 ? "IPv4" : "IPv6")}; listen on an address of the group's family, or on *");
        }

        var index = group.Interface is { } name ? IndexOf(name, $"{path}.Interface") : 0;
        if (group.Source is null)
        {
            SocketOptionRefusal.Guard($"{path}.Address", address, () =>
            {
                if (isIPv4)
                {
                    socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(address, index));
                }
                else
                {
                    socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, new IPv6MulticastOption(address, index));
                }
            });
            return;
        }

        if (!OperatingSystem.IsLinux())
        {
            throw new SocketOptionException($"{path}.Source", group.Source, "a source can be chosen on Linux only; remove the option");
        }

        Span<byte> request = stackalloc byte[SourceRequestLength];
        request.Clear();
        BitConverter.TryWriteBytes(request, index);
        DatagramAddressBytes.Write(request[GroupOffset..], new DatagramAddress(new IPEndPoint(address, 0)), isIPv6: !isIPv4);
        DatagramAddressBytes.Write(request[SourceOffset..], new DatagramAddress(new IPEndPoint(group.Source, 0)), isIPv6: !isIPv4);
        var raw = request.ToArray();
        SocketOptionRefusal.Guard($"{path}.Source", group.Source, () => RawOption.JoinSourceGroup(isIPv4).Set(socket, raw));
    }

    private static (bool IsIPv6, bool HasIPv4) FamiliesOf(Socket socket)
    {
        var isIPv6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        return (isIPv6, !isIPv6 || socket.DualMode);
    }

    private static void RefuseOtherGroups(Socket socket, bool isIPv6)
    {
        RawOption.AllGroups.Set(socket, 0);
        if (isIPv6)
        {
            RawOption.AllGroupsIPv6.Set(socket, 0);
        }
    }

    /// <exception cref="SocketOptionException">This machine has no such interface.</exception>
    private static int IndexOf(string interfaceName, string option)
    {
        var address = IPAddress.TryParse(interfaceName, out var parsed) ? parsed : null;
        foreach (var candidate in NetworkInterface.GetAllNetworkInterfaces())
        {
            var properties = candidate.GetIPProperties();
            if (address is null ? candidate.Name == interfaceName : properties.UnicastAddresses.Any(own => own.Address.Equals(address)))
            {
                return candidate.Supports(NetworkInterfaceComponent.IPv4) ? properties.GetIPv4Properties().Index : properties.GetIPv6Properties().Index;
            }
        }

        throw new SocketOptionException(option, interfaceName, "this machine has no such network interface, and none with such an address; use one that \"ip address\" lists");
    }
}
