using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.Features;
using Peregrine.Fuzz.ProxyProtocol;
using Peregrine.Middleware.ProxyProtocol;
using static Peregrine.Middleware.Tests.ProxyProtocol.RawHeader;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>What is accepted, and what it means (proxy-protocol.txt §2).</summary>
public sealed class HeaderParserTests
{
    [Theory]
    [InlineData("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324", "192.168.0.11:443")]
    [InlineData("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535", "255.255.255.255:65535")]
    [InlineData("PROXY TCP4 0.0.0.0 10.0.0.1 0 0\r\n", "0.0.0.0:0", "10.0.0.1:0")]
    [InlineData("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1", "[::1]:2")]
    [InlineData("PROXY TCP6 :: 1:2:3:4:5:6:7:8 1 2\r\n", "[::]:1", "[1:2:3:4:5:6:7:8]:2")]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1 2\r\n", "[1:2:3:4:5:6:7:0]:1", "[0:2:3:4:5:6:7:8]:2")]
    [InlineData("PROXY TCP6 FE80::ABCD 0001:02::0a 1 2\r\n", "[fe80::abcd]:1", "[1:2::a]:2")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c000:0202 1 2\r\n", "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2")]
    public void A_line_has_the_endpoints_that_it_says(string line, string source, string destination)
    {
        var header = Accept(Corpus.Text(line));
        Assert.Equal((1, ProxyProtocolCommand.Proxy, ProxyProtocolTransport.Stream), (header.Version, header.Command, header.Transport));
        Assert.Equal(IPEndPoint.Parse(source), header.Source);
        Assert.Equal(IPEndPoint.Parse(destination), header.Destination);
        Assert.Equal(line.Contains("TCP4", StringComparison.Ordinal) ? ProxyProtocolAddressFamily.IPv4 : ProxyProtocolAddressFamily.IPv6, header.AddressFamily);
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("PROXY UNKNOWN \r\n")]
    [InlineData("PROXY UNKNOWN what ever 1 2 3\r\n")]
    [InlineData($"PROXY UNKNOWN {Corpus.LongestIPv6} {Corpus.LongestIPv6} 65535 65535\r\n")]
    public void Of_UNKNOWN_the_rest_of_the_line_is_ignored(string line)
    {
        var header = Accept(Corpus.Text(line));
        Assert.Equal((1, ProxyProtocolAddressFamily.Unspecified), (header.Version, header.AddressFamily));
        Assert.Null(header.Source);
        Assert.Null(header.Destination);
    }

    [Theory]
    [InlineData(Tcp4, ProxyProtocolAddressFamily.IPv4, ProxyProtocolTransport.Stream)]
    [InlineData(Udp4, ProxyProtocolAddressFamily.IPv4, ProxyProtocolTransport.Datagram)]
    [InlineData(Tcp6, ProxyProtocolAddressFamily.IPv6, ProxyProtocolTransport.Stream)]
    [InlineData(Udp6, ProxyProtocolAddressFamily.IPv6, ProxyProtocolTransport.Datagram)]
    public void A_binary_header_has_the_endpoints_that_it_says(byte protocol, object family, object transport)
    {
        var (source, destination) = protocol < Tcp6 ? ("192.0.2.1", "198.51.100.2") : ("2001:db8::1", "2001:db8:1::2");
        var header = Accept(Of(Proxy, protocol, AddressBlock(source, destination, 56324, 443)));
        Assert.Equal((2, ProxyProtocolCommand.Proxy), (header.Version, header.Command));
        Assert.Equal(family, header.AddressFamily);
        Assert.Equal(transport, header.Transport);
        Assert.Equal(new IPEndPoint(IPAddress.Parse(source), 56324), header.Source);
        Assert.Equal(new IPEndPoint(IPAddress.Parse(destination), 443), header.Destination);
    }

    [Theory]
    [InlineData("/run/client.sock", "/run/server.sock")]
    [InlineData("\0abstract", "\0other")]
    [InlineData("", "/")]
    public void Unix_domain_sockets_have_paths_names_or_neither(string source, string destination)
    {
        var header = Accept(Of(Proxy, UnixStream, Unix(source, destination)));
        Assert.Equal((ProxyProtocolAddressFamily.Unix, ProxyProtocolTransport.Stream), (header.AddressFamily, header.Transport));
        Assert.Equal(source.Replace('\0', '@'), header.Source!.ToString());
        Assert.Equal(destination.Replace('\0', '@'), header.Destination!.ToString());
        if (source.Length > 0)
        {
            Assert.Equal(new UnixDomainSocketEndPoint(source), header.Source);
        }
    }

    [Fact]
    public void A_path_ends_at_its_first_zero_and_may_have_108_bytes()
    {
        var header = Accept(Of(Proxy, UnixStream, Unix("/run/client\0rubbish", "/" + new string('x', 107))));
        Assert.Equal("/run/client", header.Source!.ToString());
        Assert.Equal("/" + new string('x', 107), header.Destination!.ToString());
    }

    [Fact]
    public void A_path_that_is_no_text_is_kept()
    {
        var addresses = Unix("", "");
        addresses[0] = (byte)'/';
        addresses[1] = 0xFF;
        var raw = Accept(Of(Proxy, UnixStream, addresses)).Source!.Serialize();
        Assert.Equal((byte)'/', raw[2]);
        Assert.Equal(0xFF, raw[3]);
    }

    [Theory]
    [InlineData("v2-local")]
    [InlineData("v2-local-with-addresses")]
    [InlineData("v2-local-of-an-unknown-family")]
    [InlineData("v2-local-with-tlvs")]
    public void Of_LOCAL_everything_is_skipped(string name)
    {
        var header = Accept(Corpus.Valid[name]);
        Assert.Same(ParsedHeader.Local, header);
        Assert.Equal((2, ProxyProtocolCommand.Local, ProxyProtocolAddressFamily.Unspecified), (header.Version, header.Command, header.AddressFamily));
        Assert.Empty(header.Tlvs);
        Assert.Null(header.Source);
    }

    [Theory]
    [InlineData("v2-unspecified", 0)]
    [InlineData("v2-unspecified-with-bytes", 0)]
    [InlineData("v2-ipv4-of-an-unspecified-transport", 0)]
    [InlineData("v2-unspecified-with-tlvs", 14)]
    public void Of_UNSPEC_addresses_are_ignored_and_TLVs_are_not(string name, int tlvs)
    {
        var header = Accept(Corpus.Valid[name]);
        Assert.Equal((ProxyProtocolCommand.Proxy, ProxyProtocolAddressFamily.Unspecified, ProxyProtocolTransport.Unspecified), (header.Command, header.AddressFamily, header.Transport));
        Assert.Equal(tlvs, header.Tlvs.Length);
        Assert.Null(header.Source);
    }

    [Fact]
    public void Every_TLV_is_in_the_feature()
    {
        var feature = new ProxyProtocolFeature(Accept(Corpus.Valid["v2-tlvs"]), null, null);
        Assert.True(feature.IsChecksummed);
        Assert.Equal("h2"u8, feature.ApplicationProtocol.Span);
        Assert.Equal("exämple.com", feature.Authority);
        Assert.Equal(new byte[128], feature.UniqueId.ToArray());
        Assert.Equal("blue", feature.NetworkNamespace);
        Assert.Equal("vpce-08d2bf15fac5001c9", feature.AwsVpcEndpointId);
        Assert.Equal(0x01020304u, feature.AzurePrivateEndpointLinkId);
        Assert.Equal(0x0102ul, feature.GooglePscConnectionId);
        Assert.Null(feature.Tls);
        Assert.Equal([1, 2, 4, 4, 5, 0x30, 0xE0, 0xEA, 0xEE, 0xFF, 3], feature.Tlvs.Select(tlv => tlv.Type));
        Assert.True(feature.Tlvs.TryGet(0xFF, out var unknown));
        Assert.Equal([9], unknown.ToArray());
        Assert.False(feature.Tlvs.TryGet(0xFE, out _));
    }

    [Fact]
    public void What_the_proxy_says_of_TLS_is_in_the_feature()
    {
        var tls = new ProxyProtocolFeature(Accept(Corpus.Valid["v2-tls"]), null, null).Tls!;
        Assert.Equal(ProxyProtocolTlsClient.Tls | ProxyProtocolTlsClient.CertificateOnConnection | ProxyProtocolTlsClient.CertificateInSession, tls.Client);
        Assert.True(tls.IsCertificateVerified);
        Assert.Equal(
            ("TLSv1.3", "client", "TLS_AES_256_GCM_SHA384", "RSA-SHA256", "RSA2048", "x25519", "rsa_pss_rsae_sha256"),
            (tls.Version, tls.CommonName, tls.Cipher, tls.SignatureAlgorithm, tls.KeyAlgorithm, tls.Group, tls.SignatureScheme));
        Assert.Equal([0x30, 0x00], tls.ClientCertificate.ToArray());

        var bare = new ProxyProtocolFeature(Accept(Corpus.Valid["v2-tls-bare"]), null, null).Tls!;
        Assert.Equal((ProxyProtocolTlsClient.None, 1u, null), (bare.Client, bare.VerifyResult, bare.Version));
        Assert.False(bare.IsCertificateVerified);
    }

    [Fact]
    public void TLVs_of_clouds_that_are_not_as_they_should_be_are_only_among_the_raw_ones()
    {
        var feature = new ProxyProtocolFeature(
            Accept(Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2), Tlv(0xE0, 1), Tlv(0xEA, 2, 65), Tlv(0xEE, 1, 2, 3), Tlv(0xEA))), null, null);
        Assert.Null(feature.GooglePscConnectionId);
        Assert.Null(feature.AwsVpcEndpointId);
        Assert.Null(feature.AzurePrivateEndpointLinkId);
        Assert.Equal(4, feature.Tlvs.Count());
    }

    [Fact]
    public void The_checksum_is_that_of_RFC_4960_wherever_it_stands()
    {
        // RFC 3720, B.4: 32 bytes of zeroes.
        Assert.Equal(0x8A9136AAu, Crc32C(new byte[32]));
        var header = Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2), Checksum, Tlv(2, "behind"));
        var crc = Crc32C(header);
        (header[31], header[32], header[33], header[34]) = ((byte)(crc >> 24), (byte)(crc >> 16), (byte)(crc >> 8), (byte)crc);
        Assert.True(Accept(header).IsChecksummed);
        Assert.False(Accept(Corpus.Valid["v2-tcp4"]).IsChecksummed);
    }

    [Fact]
    public void What_is_behind_a_header_is_not_part_of_it()
    {
        foreach (var (name, header) in Corpus.Valid)
        {
            var result = HeaderParser.Parse([.. header, .. "PROXY \r\n"u8], HeaderTarget.Rules);
            Assert.True(result.Status == HeaderStatus.Complete && result.Length == header.Length, name);
        }
    }

    [Fact]
    public void The_copy_of_the_TLVs_outlives_the_buffer()
    {
        var bytes = Corpus.Valid["v2-tlvs"].ToArray();
        var feature = new ProxyProtocolFeature(Accept(bytes), null, null);
        Array.Fill(bytes, (byte)0);
        Assert.Equal("exämple.com", feature.Authority);
        Assert.Equal("192.0.2.1:1", feature.SourceEndPoint!.ToString());
    }

    [Theory]
    [InlineData(Tcp6)]
    [InlineData(UnixStream)]
    public void What_is_kept_of_the_largest_header_stays_below_4_KiB(byte family)
    {
        var addresses = family == UnixStream ? Unix("/" + new string('a', 107), "/" + new string('b', 107)) : AddressBlock("2001:db8::1", "2001:db8::2", 1, 2);
        var bytes = Of(Proxy, family, addresses, Tlv(4, new byte[HeaderTarget.Rules.MaxSizeInBytes - 16 - addresses.Length - 3]));
        Accept(bytes); // The first time, the runtime allocates as well.
        _ = new ProxyProtocolFeature(Accept(bytes), null, null);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var feature = new ProxyProtocolFeature(HeaderParser.Parse(bytes, HeaderTarget.Rules).Header!, null, null);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(allocated, HeaderTarget.Rules.MaxSizeInBytes - 300, 4_095);
        Assert.Equal(2, feature.Version);
    }

    private static ParsedHeader Accept(byte[] bytes)
    {
        var result = HeaderParser.Parse(bytes, HeaderTarget.Rules);
        Assert.True(result.Status == HeaderStatus.Complete, $"{result.Status}, {result.Fault}: {Encoding.Latin1.GetString(bytes)}");
        Assert.Equal(bytes.Length, result.Length);
        return result.Header!;
    }
}
