using Peregrine.Fuzz.ProxyProtocol;
using Peregrine.Middleware.ProxyProtocol;
using static Peregrine.Middleware.Tests.ProxyProtocol.RawHeader;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>Every rule by which a receiver refuses a header (proxy-protocol.txt §2).</summary>
public sealed class RejectTests
{
    private static readonly byte[] s_addresses = AddressBlock("192.0.2.1", "192.0.2.2", 1, 2);

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n", HeaderFault.NoHeader)]
    [InlineData("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.NoHeader)]
    [InlineData("PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.NoHeader)]
    [InlineData("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.NoHeader)]
    [InlineData("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY TCP4\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY UNKNOWNS\r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY \r\n", HeaderFault.UnknownProtocol)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", HeaderFault.LineEnd)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\nx\r\n", HeaderFault.LineEnd)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", HeaderFault.LineEnd)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", HeaderFault.LineEnd)]
    [InlineData("PROXY UNKNOWN\rx", HeaderFault.LineEnd)]
    [InlineData("PROXY UNKNOWN x\nPROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.LineEnd)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", HeaderFault.Fields)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", HeaderFault.Fields)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", HeaderFault.Fields)]
    [InlineData("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", HeaderFault.Fields)]
    [InlineData("PROXY TCP4 \r\n", HeaderFault.Fields)]
    [InlineData("PROXY TCP4  1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.00 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3. 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 +1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 16909060 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 ::1 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 ::1::2 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 ::: ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1: ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 :1 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7:8:: ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 1:2:3:4::5:6:7:8 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 00001::1 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 g::1 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 fe80::1%1 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 [::1] ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 ::1/64 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 ::ffff:1.2.3.04 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 2001:db8::1.2.3.4 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP6 ffff::1.2.3.4 ::1 1 2\r\n", HeaderFault.Address)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 100000\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", HeaderFault.Port)]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n", HeaderFault.Port)]
    public void A_line_that_does_not_match_exactly(string line, object fault) => Refuse(Corpus.Text(line), (HeaderFault)fault);

    [Fact]
    public void A_line_of_more_than_107_bytes()
    {
        Refuse(Corpus.Text("PROXY UNKNOWN ".PadRight(106) + "\r\n"), HeaderFault.LineTooLong);
        Refuse(Corpus.Text("PROXY UNKNOWN ".PadRight(107)), HeaderFault.LineTooLong);
        Refuse(Corpus.Text("PROXY TCP4 ".PadRight(5_000, '1')), HeaderFault.LineTooLong);
        Assert.Equal(HeaderStatus.Complete, HeaderParser.Parse(Corpus.Text("PROXY UNKNOWN ".PadRight(105) + "\r\n"), HeaderTarget.Rules).Status);
        Assert.Equal(HeaderStatus.Incomplete, HeaderParser.Parse(Corpus.Text("PROXY UNKNOWN ".PadRight(106)), HeaderTarget.Rules).Status);
    }

    [Theory]
    [InlineData(0x11, HeaderFault.UnknownVersion)]
    [InlineData(0x01, HeaderFault.UnknownVersion)]
    [InlineData(0x31, HeaderFault.UnknownVersion)]
    [InlineData(0x22, HeaderFault.UnknownCommand)]
    [InlineData(0x2F, HeaderFault.UnknownCommand)]
    public void A_version_or_a_command_that_is_none(byte command, object fault) => Refuse(Of(command, Tcp4, s_addresses), (HeaderFault)fault);

    [Theory]
    [InlineData(0x41, HeaderFault.UnknownAddressFamily)]
    [InlineData(0xF0, HeaderFault.UnknownAddressFamily)]
    [InlineData(0x13, HeaderFault.UnknownTransport)]
    [InlineData(0x0F, HeaderFault.UnknownTransport)]
    public void A_family_or_a_transport_that_is_none(byte family, object fault) => Refuse(Of(Proxy, family, s_addresses), (HeaderFault)fault);

    [Theory]
    [InlineData(Tcp4, 11)]
    [InlineData(Tcp4, 0)]
    [InlineData(Udp4, 11)]
    [InlineData(Tcp6, 35)]
    [InlineData(Udp6, 12)]
    [InlineData(UnixStream, 215)]
    [InlineData(UnixDatagram, 36)]
    public void Addresses_that_do_not_fit_into_the_length(byte family, int length) =>
        Refuse(Of(Proxy, family, new byte[length]), HeaderFault.AddressesCutOff);

    [Fact]
    public void A_signature_that_is_wrong_in_any_byte()
    {
        for (var at = 0; at < Signature.Length; at++)
        {
            var header = Of(Proxy, Tcp4, s_addresses);
            header[at] ^= 0x20;
            Refuse(header, HeaderFault.NoHeader);

            // At once, and not at the end of what may follow.
            Assert.Equal(HeaderStatus.Invalid, HeaderParser.Parse(header.AsSpan(0, at + 1), HeaderTarget.Rules).Status);
        }
    }

    [Fact]
    public void A_line_that_is_wrong_in_any_byte_of_its_beginning()
    {
        foreach (var beginning in (string[])["PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN "])
        {
            for (var at = 0; at < beginning.Length; at++)
            {
                var line = Corpus.Text(beginning);
                line[at] = (byte)'!';
                Assert.Equal(HeaderStatus.Invalid, HeaderParser.Parse(line.AsSpan(0, at + 1), HeaderTarget.Rules).Status);
            }
        }
    }

    [Fact]
    public void A_TLV_that_is_cut_off_and_bytes_that_are_none()
    {
        Refuse(Of(Proxy, Tcp4, s_addresses, [2]), HeaderFault.TlvCutOff);
        Refuse(Of(Proxy, Tcp4, s_addresses, [2, 0]), HeaderFault.TlvCutOff);
        Refuse(Of(Proxy, Tcp4, s_addresses, [2, 0, 1]), HeaderFault.TlvCutOff);
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(2, "a"), [2, 0xFF, 0xFF, 0]), HeaderFault.TlvCutOff);
        Refuse(Of(Proxy, UnixStream, Unix("/a", "/b"), [0]), HeaderFault.TlvCutOff);
    }

    [Fact]
    public void A_checksum_that_is_wrong_or_there_twice()
    {
        foreach (var name in (string[])["v2-tlvs", "v2-tls", "v2-unspecified-with-tlvs"])
        {
            var valid = Corpus.Valid[name];
            foreach (var at in Enumerable.Range(16, valid.Length - 16).Where(at => at < valid.Length - 7 && name == "v2-tls"))
            {
                var header = valid.ToArray();
                header[at] ^= 1;
                var result = HeaderParser.Parse(header, HeaderTarget.Rules);
                Assert.True(result.Status == HeaderStatus.Invalid, $"Byte {at} of {name} was changed, and nobody noticed.");
            }

            var wrong = valid.ToArray();
            wrong[^1] ^= 1;
            Refuse(wrong, HeaderFault.Checksum);
        }

        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(3, 1, 2, 3)), HeaderFault.Checksum);
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(3)), HeaderFault.Checksum);
        Refuse(Of(Proxy, Tcp4, s_addresses, Checksum, Checksum), HeaderFault.Checksum);
    }

    [Fact]
    public void A_unique_id_of_more_than_128_bytes() => Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(5, new byte[129])), HeaderFault.UniqueIdTooLong);

    [Fact]
    public void TLS_that_is_too_short_or_has_TLVs_that_are_cut_off()
    {
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(0x20)), HeaderFault.MalformedTls);
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(0x20, 1, 0, 0, 0)), HeaderFault.MalformedTls);
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(0x20, 1, 0, 0, 0, 0, 0x21)), HeaderFault.MalformedTls);
        Refuse(Of(Proxy, Tcp4, s_addresses, Tlv(0x20, 1, 0, 0, 0, 0, 0x21, 0, 9, 65)), HeaderFault.MalformedTls);
    }

    [Fact]
    public void A_header_that_is_larger_than_may_be_as_soon_as_its_length_is_there()
    {
        var header = WithLength(0xFFFF, Of(Proxy, Tcp4));
        Refuse(header, HeaderFault.TooLarge);
        Refuse(WithLength(0xFFFF, Of(Local, Unspecified)), HeaderFault.TooLarge);
        var rules = HeaderTarget.Rules with { MaxSizeInBytes = 65_551 };
        Assert.Equal(HeaderStatus.Incomplete, HeaderParser.Parse(header, rules).Status);
        byte[] largest = [.. header, .. s_addresses, .. Tlv(4, new byte[0xFFFF - 12 - 3])];
        Assert.Equal(65_551, HeaderParser.Parse(largest, rules).Length);
        Assert.Equal(65_551, HeaderParser.Parse(HeaderTarget.Cut(largest, 1, 20, 40_000), rules).Length);
    }

    [Fact]
    public void A_version_that_is_not_accepted_at_its_first_byte()
    {
        var first = HeaderTarget.Rules with { Versions = ProxyProtocolVersions.Version1 };
        var second = HeaderTarget.Rules with { Versions = ProxyProtocolVersions.Version2 };
        Assert.Equal(HeaderFault.NoHeader, HeaderParser.Parse("\r"u8, first).Fault);
        Assert.Equal(HeaderFault.NoHeader, HeaderParser.Parse("P"u8, second).Fault);
        Assert.Equal(HeaderStatus.Complete, HeaderParser.Parse(Corpus.Valid["v1-example"], first).Status);
        Assert.Equal(HeaderStatus.Complete, HeaderParser.Parse(Corpus.Valid["v2-tcp4"], second).Status);
    }

    [Fact]
    public void Every_fault_has_a_name_and_an_explanation()
    {
        var faults = Enum.GetValues<HeaderFault>().Where(fault => fault != HeaderFault.None).ToList();
        Assert.Equal(faults.Count, faults.Select(HeaderFaults.NameOf).Distinct().Count());
        Assert.All(faults, fault => Assert.NotEmpty(HeaderFaults.Explain(fault)));
    }

    private static void Refuse(byte[] bytes, HeaderFault fault)
    {
        var result = HeaderParser.Parse(bytes, HeaderTarget.Rules);
        Assert.Equal((HeaderStatus.Invalid, fault), (result.Status, result.Fault));

        // However it comes.
        HeaderTarget.Run(bytes);
    }
}
