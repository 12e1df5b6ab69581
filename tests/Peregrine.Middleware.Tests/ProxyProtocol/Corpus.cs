using System.Text;
using static Peregrine.Middleware.Tests.ProxyProtocol.RawHeader;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>Valid headers of every kind.</summary>
internal static class Corpus
{
    public static IReadOnlyDictionary<string, byte[]> Valid { get; } = new Dictionary<string, byte[]>
    {
        // §2.1
        ["v1-example"] = Text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
        ["v1-tcp4-longest"] = Text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
        ["v1-tcp4-shortest"] = Text("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"),
        ["v1-tcp6-longest"] = Text($"PROXY TCP6 {LongestIPv6} {LongestIPv6} 65535 65535\r\n"),
        ["v1-tcp6-short"] = Text("PROXY TCP6 ::1 2001:DB8::2 4 5\r\n"),
        ["v1-tcp6-mapped"] = Text("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2\r\n"),
        ["v1-unknown-short"] = Text("PROXY UNKNOWN\r\n"),
        ["v1-unknown-longest"] = Text($"PROXY UNKNOWN {LongestIPv6} {LongestIPv6} 65535 65535\r\n"),

        // §2.2
        ["v2-local"] = Of(Local, Unspecified),
        ["v2-local-with-addresses"] = Of(Local, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2)),
        ["v2-local-of-an-unknown-family"] = Of(Local, 0xFF, [1, 2, 3]),
        ["v2-local-with-tlvs"] = Of(Local, Unspecified, Tlv(2, "example.com"), Checksum),
        ["v2-unspecified"] = Of(Proxy, Unspecified),
        ["v2-unspecified-with-bytes"] = Of(Proxy, Unspecified, [1, 2, 3, 4, 5]),
        ["v2-unspecified-with-tlvs"] = Of(Proxy, Unspecified, Tlv(5, "id-1"), Checksum),
        ["v2-ipv4-of-an-unspecified-transport"] = Of(Proxy, 0x10, [1, 2, 3]),
        ["v2-tcp4"] = Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 56324, 443)),
        ["v2-udp4"] = Of(Proxy, Udp4, AddressBlock("192.0.2.1", "192.0.2.2", 56324, 443)),
        ["v2-tcp6"] = Of(Proxy, Tcp6, AddressBlock("2001:db8::1", "2001:db8::2", 56324, 443)),
        ["v2-udp6"] = Of(Proxy, Udp6, AddressBlock("2001:db8::1", "::ffff:192.0.2.1", 56324, 443)),
        ["v2-unix"] = Of(Proxy, UnixStream, Unix("/run/client", "/run/server")),
        ["v2-unix-datagram"] = Of(Proxy, UnixDatagram, Unix("\0abstract", "/run/server")),
        ["v2-unix-unnamed"] = Of(Proxy, UnixStream, Unix("", "/run/server")),
        ["v2-unix-longest"] = Of(Proxy, UnixStream, Unix("/" + new string('a', 107), "\0" + new string('b', 107))),

        // §2.2.1 to §2.2.8
        ["v2-tlvs"] = Of(
            Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2), Tlv(1, "h2"), Tlv(2, "exämple.com"), Tlv(4), Tlv(4, 1, 2, 3), Tlv(5, new byte[128]),
            Tlv(0x30, "blue"), Tlv(0xE0, 0, 0, 0, 0, 0, 0, 1, 2), Tlv(0xEA, "\u0001vpce-08d2bf15fac5001c9"), Tlv(0xEE, 1, 4, 3, 2, 1), Tlv(0xFF, 9), Checksum),
        ["v2-tls"] = Of(
            Proxy, Tcp6, AddressBlock("2001:db8::1", "2001:db8::2", 1, 2),
            Tlv(
                0x20,
                [
                    0x07, 0, 0, 0, 0, .. Tlv(0x21, "TLSv1.3"), .. Tlv(0x22, "client"), .. Tlv(0x23, "TLS_AES_256_GCM_SHA384"), .. Tlv(0x24, "RSA-SHA256"),
                    .. Tlv(0x25, "RSA2048"), .. Tlv(0x26, "x25519"), .. Tlv(0x27, "rsa_pss_rsae_sha256"), .. Tlv(0x28, 0x30, 0x00), .. Tlv(0x2F, 7),
                ]),
            Checksum),
        ["v2-tls-bare"] = Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2), Tlv(0x20, 0, 0, 0, 0, 1)),
        ["v2-536-bytes"] = Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "192.0.2.2", 1, 2), Tlv(4, new byte[536 - 28 - 3 - 7]), Checksum),
    };

    public const string LongestIPv6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

    public static TheoryData<string> Names => [.. Valid.Keys];

    public static byte[] Text(string text) => Encoding.ASCII.GetBytes(text);
}
