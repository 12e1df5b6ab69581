namespace Peregrine.Protocols;

/// <summary>
/// What becomes of a receiver of a broadcast that does not read as fast as is posted to it: as much is pending for it as its <see cref="MessageWriter"/> may keep
/// (<see cref="MessageWriter.DefaultMaxPendingBytes"/>). In each case the others are not held up.
/// </summary>
public enum SlowReceiverPolicy
{
    /// <summary>It does not get the message, and keeps what is pending. For messages that are of no use later.</summary>
    Skip,

    /// <summary>
    /// It loses the oldest messages that were broadcast to it, and gets this one: what is newest counts. A message that a send has begun with is not lost, nor one that was written to
    /// it alone; if those leave no room, it is skipped.
    /// </summary>
    DropOldest,

    /// <summary>It is taken out of the registry and aborted, with the bound in the message of the exception: whoever reads gets all, or knows.</summary>
    Disconnect,
}
