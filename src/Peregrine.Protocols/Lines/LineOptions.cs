namespace Peregrine.Protocols;

/// <summary>What ends a line.</summary>
public enum LineEnding
{
    /// <summary>LF, and a CR in front of it is part of the end. LF is written.</summary>
    Any,

    /// <summary>LF alone. A CR in front of it belongs to the line.</summary>
    Lf,

    /// <summary>CR LF, and nothing else: a CR or an LF alone belongs to the line, as far as reading goes.</summary>
    CrLf,
}

/// <summary>How lines end, and how long they may be.</summary>
public sealed class LineOptions
{
    /// <summary>What ends a line. Default <see cref="LineEnding.Any"/>.</summary>
    public LineEnding Ending { get; set; }

    /// <summary>
    /// Whether the end of the input ends the last line, too. Default false: what has no end is truncated (<see cref="MessageTruncatedException"/>). With true, a
    /// connection that breaks off looks like a last, shorter line: not for what must be whole.
    /// </summary>
    public bool EndOfInputEndsLine { get; set; }

    /// <summary>The most bytes that a line may have, with its end. From 2. Default 1 MiB. A longer one is refused when so many bytes are there without an end.</summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
