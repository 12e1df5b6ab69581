namespace Peregrine;

/// <summary>What readers and writers say to a caller that uses them as they cannot be used.</summary>
internal static class PipeMisuse
{
    public static InvalidOperationException NoReadToAdvance() => new("There is no read to advance: AdvanceTo follows a completed ReadAsync or TryRead, once.");

    public static InvalidOperationException ReadInProgress() => new("Reading is already in progress: await the pending read, and call AdvanceTo for its result.");

    public static InvalidOperationException ReadOnAnotherThread() => new("Reading is already in progress, on another thread.");

    public static InvalidOperationException ReadAfterCompletion() => new("Reading is not allowed after the reader was completed.");

    public static InvalidOperationException CompletedDuringCall() => new("The reader was completed by another thread during the call.");

    public static InvalidOperationException CompletedDuringRead() => new("The reader was completed while a read was pending.");

    public static InvalidOperationException FlushInProgress() => new("A flush is already in progress: await it before the next.");

    public static InvalidOperationException WriteAfterCompletion() => new("Writing is not allowed after the writer was completed.");

    /// <summary>The peer's doing: it never ends its message.</summary>
    public static InvalidDataException TooMuchUnread(long unread, long mostUnread) => new(
        $"{unread} bytes are examined and not consumed, and more are asked for: MaxUnreadBytes ({mostUnread}) bounds what a peer can make this side keep. Consume them, or raise it.");
}
