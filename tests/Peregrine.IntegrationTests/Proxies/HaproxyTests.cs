using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Peregrine.Features;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Proxies;

/// <summary>haproxy in TCP mode before a server: the handler sees its clients, and what it says of them.</summary>
public sealed class HaproxyTests
{
    [RequiresProgramFact("haproxy")]
    public Task Clients_on_IPv4_and_IPv6_are_seen_by_version_1() => SeesClientsAsync("send-proxy", version: 1);

    [RequiresProgramFact("haproxy")]
    public Task Clients_on_IPv4_and_IPv6_are_seen_by_version_2() => SeesClientsAsync("send-proxy-v2", version: 2);

    [RequiresProgramFact("haproxy")]
    public async Task A_client_on_a_Unix_domain_socket_is_told_as_version_1_UNKNOWN_or_version_2_LOCAL()
    {
        foreach (var (option, version, command) in ((string, int, ProxyProtocolCommand)[])
            [("send-proxy", 1, ProxyProtocolCommand.Proxy), ("send-proxy-v2", 2, ProxyProtocolCommand.Local)])
        {
            await using var server = await ProxiedServer.StartAsync();
            var folder = ProxyProcess.CreateFolder();
            var path = Path.Combine(folder.FullName, "front.sock");
            await using var proxy = await ProxyProcess.StartHaproxyAsync(folder, Sections($"bind {path}", server, option), path);
            var (_, seen) = await server.EchoThroughAsync(new UnixDomainSocketEndPoint(path));
            Assert.Equal((version, command), (seen.Feature.Version, seen.Feature.Command));
            Assert.Equal(ProxyProtocolAddressFamily.Unspecified, seen.Feature.AddressFamily);
            Assert.Null(seen.Feature.SourceEndPoint);

            // The connection keeps its own endpoints: haproxy's, and this server's.
            Assert.Equal(seen.Feature.ProxyRemoteEndPoint, seen.Remote);
            Assert.Equal(server.Address, seen.Local);
        }
    }

    [RequiresProgramFact("haproxy")]
    public async Task It_reaches_the_server_by_a_Unix_domain_socket()
    {
        foreach (var scheduling in Enum.GetValues<ConnectionScheduling>())
        {
            var folder = ProxyProcess.CreateFolder();
            await using var server = await ProxiedServer.StartAsync($"unix://{folder.FullName}/back.sock", scheduling);
            var port = FreePorts.Take(ProxyProcess.OwnAddress);
            await using var proxy = await ProxyProcess.StartHaproxyAsync(
                folder, Sections($"bind {ProxyProcess.OwnAddress}:{port}", $"unix@{folder.FullName}/back.sock", "send-proxy-v2"), port);
            var (client, seen) = await server.EchoThroughAsync(new IPEndPoint(ProxyProcess.OwnAddress, port));
            Assert.Equal(client, seen.Remote);
            Assert.Equal(new IPEndPoint(ProxyProcess.OwnAddress, port), seen.Local);
        }
    }

    [RequiresProgramFact("haproxy")]
    public async Task The_checksum_the_unique_id_and_the_authority_are_seen()
    {
        await using var server = await ProxiedServer.StartAsync();
        var port = FreePorts.Take(ProxyProcess.OwnAddress);
        await using var proxy = await ProxyProcess.StartHaproxyAsync(
            ProxyProcess.CreateFolder(),
            Sections(
                $"bind {ProxyProcess.OwnAddress}:{port}\n  unique-id-format id-of-%ci:%cp", server,
                "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
            port);
        var (client, seen) = await server.EchoThroughAsync(new IPEndPoint(ProxyProcess.OwnAddress, port));
        Assert.Equal(client, seen.Remote);
        Assert.True(seen.Feature.IsChecksummed);
        Assert.Equal($"id-of-{client}", Encoding.ASCII.GetString(seen.Feature.UniqueId.Span));
    }

    [RequiresProgramFact("haproxy")]
    public async Task The_TLS_of_a_client_is_seen_with_the_name_in_its_certificate()
    {
        await using var server = await ProxiedServer.StartAsync();
        var folder = ProxyProcess.CreateFolder();
        var port = FreePorts.Take(ProxyProcess.OwnAddress);
        using var own = CreateCertificate("proxy.example.com");
        using var clients = CreateCertificate("client-7");
        File.WriteAllText(Path.Combine(folder.FullName, "own.pem"), own.ExportCertificatePem() + "\n" + own.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem() + "\n");
        File.WriteAllText(Path.Combine(folder.FullName, "clients.pem"), clients.ExportCertificatePem() + "\n");
        await using var proxy = await ProxyProcess.StartHaproxyAsync(
            folder,
            Sections(
                $"bind {ProxyProcess.OwnAddress}:{port} ssl crt {folder.FullName}/own.pem ca-file {folder.FullName}/clients.pem verify required alpn echo/1", server,
                "send-proxy-v2-ssl-cn proxy-v2-options crc32c,authority,ssl,cert-cn,ssl-cipher,cert-sig,cert-key"),
            port);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(ProxyProcess.OwnAddress, port);
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "proxy.example.com",
            ClientCertificates = [clients],
            ApplicationProtocols = [new SslApplicationProtocol("echo/1")],
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetCertHashString() == own.GetCertHashString(),
        });
        await ProxiedServer.EchoAsync(tls);
        var seen = await server.NextAsync();
        Assert.Equal(socket.LocalEndPoint, seen.Remote);
        Assert.True(seen.Feature.IsChecksummed);
        Assert.Equal("proxy.example.com", seen.Feature.Authority);
        Assert.Equal("echo/1"u8.ToArray(), seen.Feature.ApplicationProtocol.ToArray());
        var said = seen.Feature.Tls!;
        Assert.Equal(ProxyProtocolTlsClient.Tls | ProxyProtocolTlsClient.CertificateOnConnection | ProxyProtocolTlsClient.CertificateInSession, said.Client);
        Assert.True(said.IsCertificateVerified);
        Assert.Equal("client-7", said.CommonName);
        Assert.StartsWith("TLSv1.", said.Version, StringComparison.Ordinal);
        Assert.Equal(tls.NegotiatedCipherSuite.ToString(), said.Cipher);
        Assert.Equal(("RSA-SHA256", "RSA2048"), (said.SignatureAlgorithm, said.KeyAlgorithm));
    }

    [RequiresProgramFact("haproxy")]
    public async Task Its_health_checks_are_LOCAL_and_the_server_stays_up_for_it()
    {
        await using var server = await ProxiedServer.StartAsync();
        var port = FreePorts.Take(ProxyProcess.OwnAddress);
        await using var proxy = await ProxyProcess.StartHaproxyAsync(
            ProxyProcess.CreateFolder(),
            Sections($"bind {ProxyProcess.OwnAddress}:{port}", server, "send-proxy-v2 check-send-proxy check inter 100 fall 1 rise 1"),
            port);
        for (var checks = 0; checks < 3; checks++)
        {
            var check = await server.NextAsync(seen => seen.Feature.Command == ProxyProtocolCommand.Local);
            Assert.Equal(server.Address, check.Local);
            Assert.Equal(check.Feature.ProxyRemoteEndPoint, check.Remote);
            Assert.Empty(check.Feature.Tlvs);
        }

        Assert.DoesNotContain("is DOWN", proxy.Output, StringComparison.Ordinal);
        var (client, seen) = await server.EchoThroughAsync(new IPEndPoint(ProxyProcess.OwnAddress, port));
        Assert.Equal(client, seen.Remote);
    }

    [RequiresProgramFact("haproxy")]
    public async Task Without_its_header_its_clients_are_refused()
    {
        await using var server = await ProxiedServer.StartAsync();
        var port = FreePorts.Take(ProxyProcess.OwnAddress);
        await using var proxy = await ProxyProcess.StartHaproxyAsync(
            ProxyProcess.CreateFolder(), Sections($"bind {ProxyProcess.OwnAddress}:{port}", server, ""), port);
        await Assert.ThrowsAnyAsync<IOException>(() => server.EchoThroughAsync(new IPEndPoint(ProxyProcess.OwnAddress, port)));
    }

    private static async Task SeesClientsAsync(string option, int version)
    {
        await using var server = await ProxiedServer.StartAsync();
        var (port, port6) = (FreePorts.Take(ProxyProcess.OwnAddress), FreePorts.Take(IPAddress.IPv6Loopback));
        await using var proxy = await ProxyProcess.StartHaproxyAsync(
            ProxyProcess.CreateFolder(), Sections($"bind {ProxyProcess.OwnAddress}:{port}\n  bind [::1]:{port6}", server, option), port, port6);
        foreach (var address in (IPEndPoint[])[new(ProxyProcess.OwnAddress, port), new(IPAddress.IPv6Loopback, port6)])
        {
            var (client, seen) = await server.EchoThroughAsync(address);
            Assert.Equal(client, seen.Remote);
            Assert.Equal(address, seen.Local);
            Assert.Equal((version, ProxyProtocolTransport.Stream), (seen.Feature.Version, seen.Feature.Transport));
            Assert.Equal(server.Address, seen.Feature.ProxyLocalEndPoint);
            Assert.NotEqual(client, seen.Feature.ProxyRemoteEndPoint);
        }
    }

    private static string Sections(string bind, ProxiedServer server, string options) => Sections(bind, server.Address.ToString()!, options);

    private static string Sections(string bind, string server, string options) =>
        $"""
        frontend clients
          {bind}
          default_backend servers

        backend servers
          server one {server} {options}
        """;

    private static X509Certificate2 CreateCertificate(string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
