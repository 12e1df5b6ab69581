namespace Peregrine.Protocols;

internal enum PostOutcome
{
    Posted,

    /// <summary>There is no room, because the peer does not read as fast as is posted.</summary>
    Slow,

    /// <summary>Nobody reads any more, or the writer has ended.</summary>
    Over,
}
