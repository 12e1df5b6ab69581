namespace Peregrine.Middleware;

/// <summary>Versions of the PROXY protocol (proxy-protocol.txt §2).</summary>
[Flags]
public enum ProxyProtocolVersions
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The line of text (§2.1).</summary>
    Version1 = 1,

    /// <summary>The binary header (§2.2).</summary>
    Version2 = 2,

    /// <summary>Both: they are told apart by their first byte.</summary>
    Any = Version1 | Version2,
}
