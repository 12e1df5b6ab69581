namespace Peregrine.Protocols.Lines;

/// <summary>The options of lines, checked.</summary>
internal readonly struct LineFormat
{
    public const byte Lf = (byte)'\n', Cr = (byte)'\r';

    public LineFormat(LineOptions options)
    {
        if (options.Ending is not (LineEnding.Any or LineEnding.Lf or LineEnding.CrLf))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Ending, "Ending is none of LineEnding's.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxMessageSizeInBytes, 2, nameof(options.MaxMessageSizeInBytes));
        Ending = options.Ending;
        EndOfInputEndsLine = options.EndOfInputEndsLine;
        MaxSize = options.MaxMessageSizeInBytes;
    }

    public LineEnding Ending { get; }

    public bool EndOfInputEndsLine { get; }

    public int MaxSize { get; }

    public ReadOnlySpan<byte> WrittenEnd => Ending == LineEnding.CrLf ? "\r\n"u8 : "\n"u8;

    /// <param name="length">What is there of a line, which has no end yet.</param>
    public void ThrowIfTooLong(long length)
    {
        // Where the end of the input may be the line's, it is the line's end that takes no byte.
        if (length >= MaxSize && !EndOfInputEndsLine)
        {
            throw new MessageTooLargeException(length + 1, MaxSize);
        }
    }

    /// <summary>What must not be in a line that is written.</summary>
    public bool HasEnd(ReadOnlySpan<byte> part) => Ending == LineEnding.Lf ? part.Contains(Lf) : part.ContainsAny(Cr, Lf);
}
