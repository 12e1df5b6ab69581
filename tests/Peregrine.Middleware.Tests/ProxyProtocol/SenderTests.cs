using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Fuzz.ProxyProtocol;
using Peregrine.Middleware.ProxyProtocol;
using static Peregrine.Middleware.Tests.ProxyProtocol.RawHeader;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

public sealed class SenderTests
{
    [Theory]
    [InlineData("192.168.0.1:56324", "192.168.0.11:443", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n")]
    [InlineData("[2001:db8::1]:1", "[::1]:2", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n")]
    [InlineData("[fe80::1%3]:1", "[::1]:2", "PROXY TCP6 fe80::1 ::1 1 2\r\n")]
    [InlineData("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")]
    [InlineData("192.0.2.1:1", "[2001:db8::1]:2", "PROXY TCP6 ::ffff:c000:201 2001:db8::1 1 2\r\n")]
    [InlineData("[::192.0.2.1]:1", "[fe80::5efe:192.0.2.2]:2", "PROXY TCP6 0:0:0:0:0:0:c000:201 fe80:0:0:0:0:5efe:c000:202 1 2\r\n")]
    public void A_line_is_as_the_specification_has_it(string source, string destination, string line)
    {
        var written = Write(new() { Version = 1, Source = IPEndPoint.Parse(source), Destination = IPEndPoint.Parse(destination) });
        Assert.Equal(line, written.AsText());
        Assert.Equal(HeaderStatus.Complete, HeaderParser.Parse(written, HeaderTarget.Rules).Status);
    }

    [Fact]
    public void What_a_line_cannot_say_is_UNKNOWN()
    {
        var address = IPEndPoint.Parse("192.0.2.1:1");
        Assert.Equal("PROXY UNKNOWN\r\n", Write(new() { Version = 1 }).AsText());
        Assert.Equal("PROXY UNKNOWN\r\n", Write(new() { Version = 1, Source = address }).AsText());
        Assert.Equal("PROXY UNKNOWN\r\n", Write(new() { Version = 1, Source = address, Destination = new DnsEndPoint("example.com", 1) }).AsText());
        Assert.Equal("PROXY UNKNOWN\r\n", Write(new() { Version = 1, Source = address, Destination = address, Transport = ProxyProtocolTransport.Datagram }).AsText());
        var path = new UnixDomainSocketEndPoint("/run/a");
        Assert.Equal("PROXY UNKNOWN\r\n", Write(new() { Version = 1, Source = path, Destination = path }).AsText());
    }

    [Fact]
    public void A_binary_header_is_as_the_specification_has_it()
    {
        var (source, destination) = (IPEndPoint.Parse("192.0.2.1:56324"), IPEndPoint.Parse("192.0.2.2:443"));
        var plain = new ArrayBufferWriter<byte>();
        ProxyProtocolHeader.Write(plain, source, destination);
        Assert.Equal(Corpus.Valid["v2-tcp4"], plain.WrittenSpan.ToArray());
        Assert.Equal(Corpus.Valid["v2-udp4"], Write(new() { Source = source, Destination = destination, Transport = ProxyProtocolTransport.Datagram }));
        Assert.Equal(Corpus.Valid["v2-tcp6"], Write(new() { Source = IPEndPoint.Parse("[2001:db8::1]:56324"), Destination = IPEndPoint.Parse("[2001:db8::2]:443") }));
        Assert.Equal(Corpus.Valid["v2-local"], Write(ProxyProtocolHeader.Local));
        Assert.Equal(Corpus.Valid["v2-unspecified"], Write(new()));
        Assert.Equal(Corpus.Valid["v2-unspecified"], Write(new() { Source = source, Destination = new UnixDomainSocketEndPoint("/run/server") }));
        Assert.Equal(
            Corpus.Valid["v2-unix"], Write(new() { Source = new UnixDomainSocketEndPoint("/run/client"), Destination = new UnixDomainSocketEndPoint("/run/server") }));
        Assert.Equal(
            Corpus.Valid["v2-unix-datagram"],
            Write(new()
            {
                Source = new UnixDomainSocketEndPoint("\0abstract"), Destination = new UnixDomainSocketEndPoint("/run/server"), Transport = ProxyProtocolTransport.Datagram,
            }));
        Assert.Equal(
            Of(Proxy, Unspecified, Tlv(5, "id-1"), Checksum), Write(new() { UniqueId = "id-1"u8.ToArray(), HasChecksum = true }));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_was_received_can_be_sent_again(string name)
    {
        var parsed = HeaderParser.Parse(Corpus.Valid[name], HeaderTarget.Rules).Header!;
        var received = new ProxyProtocolFeature(parsed, null, null);
        var again = Write(new()
        {
            Version = received.Version,
            Command = received.Command,
            Source = received.SourceEndPoint,
            Destination = received.DestinationEndPoint,
            Transport = received.Transport,
            Tlvs = [.. received.Tlvs.Where(tlv => tlv.Type != ProxyProtocolTlvType.Crc32C)],
            HasChecksum = received.IsChecksummed,
        });
        var parsedAgain = HeaderParser.Parse(again, HeaderTarget.Rules).Header!;
        if (parsed.Source is not IPEndPoint { Address.IsIPv4MappedToIPv6: true })
        {
            Assert.True(HeaderTarget.Same(parsed, parsedAgain), again.AsText());
        }
    }

    public static TheoryData<string> Names => Corpus.Names;

    [Fact]
    public void Everything_that_a_header_can_say_is_received()
    {
        var tls = new ProxyProtocolTls
        {
            Client = ProxyProtocolTlsClient.Tls | ProxyProtocolTlsClient.CertificateOnConnection,
            VerifyResult = 19,
            Version = "TLSv1.3",
            CommonName = "clïent",
            Cipher = "TLS_AES_128_GCM_SHA256",
            SignatureAlgorithm = "RSA-SHA256",
            KeyAlgorithm = "RSA2048",
            Group = "x25519",
            SignatureScheme = "rsa_pss_rsae_sha256",
            ClientCertificate = new byte[700],
        };
        var feature = Receive(Write(new()
        {
            Source = IPEndPoint.Parse("192.0.2.1:1"),
            Destination = IPEndPoint.Parse("192.0.2.2:2"),
            ApplicationProtocol = "h2"u8.ToArray(),
            Authority = "exämple.com",
            UniqueId = new byte[128],
            Tls = tls,
            NetworkNamespace = "blue",
            Tlvs = [new(0xE1, new byte[3])],
            HasChecksum = true,
        }));
        Assert.True(feature.IsChecksummed);
        Assert.Equal(("exämple.com", "blue", 128), (feature.Authority, feature.NetworkNamespace, feature.UniqueId.Length));
        Assert.Equal("h2"u8, feature.ApplicationProtocol.Span);
        Assert.True(feature.Tlvs.TryGet(0xE1, out _));
        var received = feature.Tls!;
        Assert.Equal(
            (tls.Client, tls.VerifyResult, tls.Version, tls.CommonName, tls.Cipher), (received.Client, received.VerifyResult, received.Version, received.CommonName, received.Cipher));
        Assert.Equal(
            (tls.SignatureAlgorithm, tls.KeyAlgorithm, tls.Group, tls.SignatureScheme),
            (received.SignatureAlgorithm, received.KeyAlgorithm, received.Group, received.SignatureScheme));
        Assert.Equal(700, received.ClientCertificate.Length);
        Assert.False(received.IsCertificateVerified);
    }

    [Fact]
    public void What_cannot_be_sent_is_refused()
    {
        Assert.Throws<InvalidOperationException>(() => Write(new() { Version = 3 }));
        Assert.Throws<InvalidOperationException>(() => Write(new() { Version = 1, Authority = "example.com" }));
        Assert.Throws<InvalidOperationException>(() => Write(new() { Version = 1, HasChecksum = true }));
        Assert.Throws<InvalidOperationException>(() => Write(new() { UniqueId = new byte[129] }));
        Assert.Throws<InvalidOperationException>(() => Write(new() { Tlvs = [new(0xE0, new byte[65_536])] }));
        Assert.Throws<InvalidOperationException>(() => Write(new() { Tlvs = [new(0xE0, new byte[40_000]), new(0xE0, new byte[40_000])] }));
    }

    [Fact]
    public async Task The_header_is_there_before_the_pipeline_of_the_client_does_anything()
    {
        var gate = new TaskCompletionSource();
        await using var pipeline = new ReceiverPipeline(builder => builder.UseProxyProtocolSender(), _ => gate.Task);
        var (client, server) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(client);
        var header = HeaderParser.Parse(await ReadAsync(server), HeaderTarget.Rules).Header!;
        Assert.Equal((client.LocalEndPoint, client.RemoteEndPoint), (header.Source, header.Destination));
        gate.SetResult();
        await running.InTimeAsync();
    }

    [Fact]
    public async Task A_header_that_is_held_goes_out_with_the_first_data()
    {
        var options = new ProxyProtocolSenderOptions { Header = _ => new() { Version = 1 }, HoldUntilFirstFlush = true };
        var gate = new TaskCompletionSource();
        await using var pipeline = new ReceiverPipeline(
            builder => builder.UseProxyProtocolSender(options),
            async connection =>
            {
                await gate.Task;
                await connection.SendAsync("data"u8.ToArray());
            });
        var (client, server) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(client);
        Assert.False(server.Transport.Input.TryRead(out _));
        gate.SetResult();
        Assert.Equal("PROXY UNKNOWN\r\ndata", (await ReadAsync(server)).AsText());
        await running.InTimeAsync();
    }

    [Fact]
    public async Task A_proxy_passes_its_client_on()
    {
        // client → proxy (receives a header, sends one) → server
        var seen = new TaskCompletionSource<(EndPoint?, string?)>();
        await using var server = new ReceiverPipeline(
            builder => builder.UseProxyProtocol(IPNetwork.Parse("127.0.0.0/8")),
            connection =>
            {
                seen.SetResult((connection.RemoteEndPoint, connection.Features.Get<IProxyProtocolFeature>()!.Authority));
                return Task.CompletedTask;
            });
        await using var proxy = new ReceiverPipeline(
            builder => builder.UseProxyProtocol(IPNetwork.Parse("127.0.0.0/8")),
            async connection =>
            {
                var (accepted, upstream) = await server.ConnectAsync();
                var running = server.RunAsync(accepted);
                ProxyProtocolHeader.ForClientOf(connection).Write(upstream.Transport.Output);
                await upstream.Transport.Output.FlushAsync();
                await running;
            });
        var (ofProxy, client) = await proxy.ConnectAsync();
        await client.SendAsync(Corpus.Valid["v1-example"]);
        await proxy.RunAsync(ofProxy).InTimeAsync();
        Assert.Equal((IPEndPoint.Parse("192.168.0.1:56324"), null), await seen.Task);
    }

    private static byte[] Write(ProxyProtocolHeader header)
    {
        var output = new ArrayBufferWriter<byte>();
        header.Write(output);
        return output.WrittenSpan.ToArray();
    }

    private static ProxyProtocolFeature Receive(byte[] bytes) => new(HeaderParser.Parse(bytes, HeaderTarget.Rules).Header!, null, null);

    private static async Task<byte[]> ReadAsync(ConnectionContext connection)
    {
        var read = await connection.Transport.Input.ReadAsync().AsTask().InTimeAsync();
        var bytes = read.Buffer.ToArray();
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        return bytes;
    }
}
