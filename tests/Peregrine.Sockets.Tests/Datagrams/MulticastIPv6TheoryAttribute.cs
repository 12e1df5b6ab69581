using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>Tests that need an interface with a route to the groups of IPv6, which the loopback interface does not have.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class MulticastIPv6TheoryAttribute : TheoryAttribute
{
    public static readonly (string Name, string Address, int Index)? Interface = Find();

    public MulticastIPv6TheoryAttribute() =>
        Skip = Interface is null ? "There is no interface with an IPv6 address that takes multicast beside the loopback interface." : null;

    private static (string, string, int)? Find()
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        foreach (var candidate in NetworkInterface.GetAllNetworkInterfaces())
        {
            var address = candidate.GetIPProperties().UnicastAddresses
                .FirstOrDefault(own => own.Address is { AddressFamily: AddressFamily.InterNetworkV6, IsIPv6LinkLocal: false })?.Address;
            if (candidate is { OperationalStatus: OperationalStatus.Up, SupportsMulticast: true } && candidate.NetworkInterfaceType != NetworkInterfaceType.Loopback && address is not null)
            {
                return (candidate.Name, address.ToString(), candidate.GetIPProperties().GetIPv6Properties().Index);
            }
        }

        return null;
    }
}
