using System.Diagnostics;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Why a header, or whoever should have sent one, is refused.</summary>
internal enum HeaderFault
{
    None = 0,

    // What the bytes are.
    NoHeader,
    LineTooLong,
    LineEnd,
    UnknownProtocol,
    Fields,
    Address,
    Port,
    UnknownVersion,
    UnknownCommand,
    UnknownAddressFamily,
    UnknownTransport,
    AddressesCutOff,
    TooLarge,
    TlvCutOff,
    Checksum,
    UniqueIdTooLong,
    MalformedTls,

    // How they came, or did not.
    UntrustedSender,
    Timeout,
    EndedEarly,
}

internal static class HeaderFaults
{
    /// <summary>As a value of the tag <c>error.type</c> of a metric.</summary>
    public static string NameOf(HeaderFault fault) => fault switch
    {
        HeaderFault.NoHeader => "no_header",
        HeaderFault.LineTooLong => "line_too_long",
        HeaderFault.LineEnd => "line_end",
        HeaderFault.UnknownProtocol => "unknown_protocol",
        HeaderFault.Fields => "fields",
        HeaderFault.Address => "address",
        HeaderFault.Port => "port",
        HeaderFault.UnknownVersion => "unknown_version",
        HeaderFault.UnknownCommand => "unknown_command",
        HeaderFault.UnknownAddressFamily => "unknown_address_family",
        HeaderFault.UnknownTransport => "unknown_transport",
        HeaderFault.AddressesCutOff => "addresses_cut_off",
        HeaderFault.TooLarge => "too_large",
        HeaderFault.TlvCutOff => "tlv_cut_off",
        HeaderFault.Checksum => "checksum",
        HeaderFault.UniqueIdTooLong => "unique_id_too_long",
        HeaderFault.MalformedTls => "malformed_tls",
        HeaderFault.UntrustedSender => "untrusted_sender",
        HeaderFault.Timeout => "timeout",
        HeaderFault.EndedEarly => "ended_early",
        _ => throw new UnreachableException(),
    };

    /// <summary>For the log, with the section of the specification where it decides.</summary>
    public static string Explain(HeaderFault fault) => fault switch
    {
        HeaderFault.NoHeader => "what it sent does not begin with a header of an accepted version",
        HeaderFault.LineTooLong => "the line does not end within 107 bytes (§2.1)",
        HeaderFault.LineEnd => "the line has a CR or an LF alone (§2.1)",
        HeaderFault.UnknownProtocol => "the line names another protocol than TCP4, TCP6 and UNKNOWN (§2.1)",
        HeaderFault.Fields => "the line has not exactly two addresses and two ports, with one space before each (§2.1)",
        HeaderFault.Address => "an address of the line is none (§2.1)",
        HeaderFault.Port => "a port of the line is none (§2.1)",
        HeaderFault.UnknownVersion => "the version is another than 2 (§2.2)",
        HeaderFault.UnknownCommand => "the command is another than LOCAL and PROXY (§2.2)",
        HeaderFault.UnknownAddressFamily => "the address family is unknown (§2.2)",
        HeaderFault.UnknownTransport => "the transport protocol is unknown (§2.2)",
        HeaderFault.AddressesCutOff => "the header is too short for its addresses (§2.2)",
        HeaderFault.TooLarge => "the header is larger than MaxHeaderSizeInBytes",
        HeaderFault.TlvCutOff => "a TLV is longer than what is left of the header (§2.2)",
        HeaderFault.Checksum => "the checksum is wrong, is not 4 bytes, or is there twice (§2.2.3)",
        HeaderFault.UniqueIdTooLong => "the unique id is longer than 128 bytes (§2.2.5)",
        HeaderFault.MalformedTls => "the TLV of TLS is malformed (§2.2.6)",
        HeaderFault.UntrustedSender => "its address is in none of TrustedNetworks",
        HeaderFault.Timeout => "the header was not complete within HeaderTimeout",
        HeaderFault.EndedEarly => "it ended before the header was complete",
        _ => throw new UnreachableException(),
    };
}
