namespace Peregrine.Protocols;

/// <summary>How much of what is posted may be pending.</summary>
/// <param name="Bytes">So many bytes.</param>
internal readonly record struct PendingBound(int Bytes)
{
    // What a message costs beside its bytes: the object, its array's header, and a place in the queue. Without a bound of their number, 64 KiB of empty chatter are 8 MB.
    private const int BytesPerMessage = 64;
    private const int FewestMessages = 64;

    /// <summary>And so many messages.</summary>
    public int Messages => Math.Max(FewestMessages, Bytes / BytesPerMessage);
}
