using System.Net;
using System.Net.Sockets;
using Peregrine.Features;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Proxies;

/// <summary>nginx as a proxy of streams before a server, <c>proxy_protocol on</c>, which sends version 1.</summary>
public sealed class NginxTests
{
    [RequiresProgramFact("nginx")]
    public async Task Clients_on_IPv4_IPv6_and_both_are_seen()
    {
        await using var server = await ProxiedServer.StartAsync();
        var (port, port6, both) = (FreePorts.Take(ProxyProcess.OwnAddress), FreePorts.Take(IPAddress.IPv6Loopback), FreePorts.Take(IPAddress.IPv6Any));
        await using var proxy = await ProxyProcess.StartNginxAsync(
            ProxyProcess.CreateFolder(),
            $"listen {ProxyProcess.OwnAddress}:{port}; listen [::1]:{port6}; listen [::]:{both} ipv6only=off; proxy_pass {server.Address}; proxy_protocol on;",
            port, port6, both);
        foreach (var address in (IPEndPoint[])[new(ProxyProcess.OwnAddress, port), new(IPAddress.IPv6Loopback, port6), new(IPAddress.IPv6Loopback, both)])
        {
            var (client, seen) = await server.EchoThroughAsync(address);
            Assert.Equal(client, seen.Remote);
            Assert.Equal(address, seen.Local);
            Assert.Equal((1, ProxyProtocolTransport.Stream), (seen.Feature.Version, seen.Feature.Transport));
        }

        // A client on IPv4 of a listener of both families is in its canonical text, with dots: "::ffff:127.0.79.1".
        var (mapped, seenMapped) = await server.EchoThroughAsync(new IPEndPoint(ProxyProcess.OwnAddress, both));
        var remote = Assert.IsType<IPEndPoint>(seenMapped.Remote);
        Assert.True(remote.Address.IsIPv4MappedToIPv6);
        Assert.Equal(mapped, new IPEndPoint(remote.Address.MapToIPv4(), remote.Port));
        Assert.Equal(ProxyProtocolAddressFamily.IPv6, seenMapped.Feature.AddressFamily);
    }

    [RequiresProgramFact("nginx")]
    public async Task A_client_on_a_Unix_domain_socket_is_UNKNOWN()
    {
        await using var server = await ProxiedServer.StartAsync();
        var folder = ProxyProcess.CreateFolder();
        var path = Path.Combine(folder.FullName, "front.sock");
        await using var proxy = await ProxyProcess.StartNginxAsync(folder, $"listen unix:{path}; proxy_pass {server.Address}; proxy_protocol on;", path);
        var (_, seen) = await server.EchoThroughAsync(new UnixDomainSocketEndPoint(path));
        Assert.Equal((1, ProxyProtocolAddressFamily.Unspecified), (seen.Feature.Version, seen.Feature.AddressFamily));
        Assert.Equal(seen.Feature.ProxyRemoteEndPoint, seen.Remote);
        Assert.Equal(server.Address, seen.Local);
    }
}
