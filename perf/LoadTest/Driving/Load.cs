namespace Peregrine.LoadTest.Driving;

/// <summary>The load that is put on a server.</summary>
/// <param name="Connections">Connections at once.</param>
/// <param name="Depth">Messages in flight on each connection.</param>
/// <param name="Size">Bytes of a message.</param>
/// <param name="Seconds">How long is measured.</param>
/// <param name="WarmUp">Seconds before that.</param>
/// <param name="Tls">Encrypted.</param>
internal sealed record Load(int Connections, int Depth, int Size, int Seconds = 5, int WarmUp = 3, bool Tls = false)
{
    /// <summary>What a connection may have in flight is kept for each connection.</summary>
    public const int MostInFlight = 1 << 20;

    public bool IsTooMuch => Depth * (long)Size > MostInFlight;

    /// <summary>In words.</summary>
    /// <param name="peer">One of what there are so many of.</param>
    public string Describe(string peer) =>
        $"{Connections} {peer}{(Connections == 1 ? "" : "s")} × {Depth} in flight × {Size} bytes{(Tls ? ", TLS" : "")}";
}
