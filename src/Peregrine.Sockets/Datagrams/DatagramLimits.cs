namespace Peregrine.Sockets.Datagrams;

/// <summary>Sizes that the protocols fix.</summary>
internal static class DatagramLimits
{
    /// <summary>Of a payload over IPv4: 65,535 less the headers of IPv4 and UDP (RFC 791, RFC 768).</summary>
    public const int LargestPayload = 65507;

    /// <summary>Of what a system call receives.</summary>
    public const int LargestReceived = 65535;

    /// <summary>What every path of IPv6 takes whole (RFC 8200 §5), less the headers of IPv6 and UDP.</summary>
    public const int PayloadOfEveryPath = 1232;

    /// <summary>Of datagrams that come together as one, how many a batch has at most, unless it is asked for more.</summary>
    public const int MostOfABatch = 256;
}
