namespace Peregrine.LoadTest.Driving;

/// <summary>
/// The addresses that connections come from, in turns. Whoever sends the first FIN keeps its port in TIME_WAIT for a minute, and one address has
/// 28,000 of them: a client that connects 20,000 times a second needs many addresses, or the kernel searches longer and longer for a port.
/// </summary>
internal sealed class SourceAddresses
{
    public const uint Loopback = 0x7F000001;
    private const uint Count = 64;
    private uint _next;

    /// <summary>127.0.0.1 to 127.0.0.64, in host order.</summary>
    public uint Next() => Loopback + (_next++ % Count);
}
