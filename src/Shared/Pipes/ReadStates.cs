namespace Peregrine;

/// <summary>Where a reader's wait for bytes is.</summary>
internal enum ReadWait : byte
{
    None,

    /// <summary>The socket holds the wait's buffer, or will in a moment: nothing else may receive.</summary>
    Armed,

    /// <summary>The wait's result is there to be taken.</summary>
    Arrived,
}

/// <summary>What a reader has handed out.</summary>
internal enum ReadResultState : byte
{
    None,

    /// <summary>A cancelled result was handed out: AdvanceTo may follow, and need not.</summary>
    Tentative,

    /// <summary>A result was handed out: AdvanceTo must follow.</summary>
    Reading,
}
