using System.Buffers.Text;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols.Stomp;

/// <summary>What is known of a frame so far, its places counted from its beginning.</summary>
internal struct FrameScan
{
    /// <summary>Where the first line begins that is not taken yet.</summary>
    public int LineStart;

    /// <summary>So far was looked for the end of what is being looked for.</summary>
    public int Looked;

    public StompCommand Command;

    /// <summary>Zero as long as there is no command.</summary>
    public int CommandLength;

    public int HeadersStart;

    /// <summary>How many.</summary>
    public int Headers;

    /// <summary>All of their lines.</summary>
    public int HeadersLength;

    /// <summary>Zero as long as the headers are not all there.</summary>
    public int BodyStart;

    public bool HasContentLength;

    public long ContentLength;

    /// <summary>Takes a line of the head: the command, a header, or the empty one behind them.</summary>
    /// <param name="line">Without its line feed.</param>
    /// <param name="limits">What is refused.</param>
    public void TakeLine(ReadOnlySpan<byte> line, in StompLimits limits)
    {
        var start = LineStart;
        LineStart += line.Length + 1;
        Looked = LineStart;
        limits.CheckFrame(LineStart);
        if (line is [.., (byte)'\r'])
        {
            line = line[..^1];
        }

        limits.CheckLine(line.Length);
        if (CommandLength == 0)
        {
            TakeCommand(line);
        }
        else if (line.IsEmpty)
        {
            HeadersLength = start - HeadersStart;
            BodyStart = LineStart;
        }
        else
        {
            Headers++;
            limits.CheckHeaders(Headers);
            TakeHeader(line);
        }
    }

    private void TakeCommand(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty || line.ContainsAnyInRange((byte)0, (byte)' ') || line.ContainsAny((byte)':', (byte)0x7F))
        {
            throw new MessageFormatException("A frame does not begin with a command.");
        }

        Command = StompCommands.Of(line);
        CommandLength = line.Length;
        HeadersStart = LineStart;
    }

    private void TakeHeader(ReadOnlySpan<byte> line)
    {
        CheckBytes(line);
        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
        {
            throw new MessageFormatException("A header has no name, or no colon behind it.");
        }

        // The first one counts, and the others are its history.
        if (!HasContentLength && line[..colon].SequenceEqual("content-length"u8))
        {
            HasContentLength = true;
            ContentLength = LengthOf(line[(colon + 1)..]);
        }
    }

    private readonly void CheckBytes(ReadOnlySpan<byte> line)
    {
        var hasEscapes = StompCommands.EscapesOf(Command) != Escapes.None;
        int special;
        while ((special = line.IndexOfAny((byte)'\\', (byte)'\r', (byte)0)) >= 0)
        {
            if (line[special] != '\\')
            {
                throw new MessageFormatException("A header has a carriage return or a NUL in it.");
            }

            line = line[(special + 1)..];
            if (hasEscapes)
            {
                if (line.IsEmpty || Escapes.Stomp.Unescape(line[0]) < 0)
                {
                    throw new MessageFormatException("A header has an escape that STOMP does not define.");
                }

                line = line[1..];
            }
        }
    }

    private static long LengthOf(ReadOnlySpan<byte> digits)
    {
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            throw new MessageFormatException("A content-length is no number.");
        }

        // One that a long cannot say is larger than any limit.
        return Utf8Parser.TryParse(digits, out long length, out _) ? length : long.MaxValue;
    }
}
