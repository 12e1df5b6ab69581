using System.Buffers;
using Peregrine.Protocols.Stomp;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>
/// A frame to be written. It keeps its memory from <see cref="Start"/> to <see cref="Start"/>: one that is used again allocates nothing. The methods return the builder itself.
/// </summary>
/// <remarks>One flow uses it; it may be changed as soon as the write has returned or, of an asynchronous one, was called.</remarks>
public sealed class StompFrameBuilder
{
    private const int MostOnStack = 256;

    private static readonly SearchValues<byte> s_neverInName = SearchValues.Create("\0\r\n:"u8);
    private static readonly SearchValues<byte> s_neverInValue = SearchValues.Create("\0\r\n"u8);

    private readonly ArrayBufferWriter<byte> _lines = new();
    private Escapes _escapes;

    /// <inheritdoc cref="Start"/>
    public StompFrameBuilder(StompCommand command) => Start(command);

    /// <summary>What the frame says.</summary>
    public StompCommand Command { get; private set; }

    /// <summary>
    /// The body: any bytes, by default none, which are not copied and so stay as they are until the frame is written. Only SEND, MESSAGE and ERROR have one.
    /// </summary>
    public ReadOnlySequence<byte> Body { get; set; }

    internal ReadOnlySpan<byte> Lines => _lines.WrittenSpan;

    internal int HeaderCount { get; private set; }

    internal int LongestLine { get; private set; }

    /// <summary>Begins another frame, without headers and body.</summary>
    /// <param name="command">One of STOMP 1.2.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public StompFrameBuilder Start(StompCommand command)
    {
        if (StompCommands.LineOf(command).IsEmpty)
        {
            throw new ArgumentOutOfRangeException(nameof(command), command, "Only a command of STOMP 1.2 can be written.");
        }

        Command = command;
        Body = default;
        _escapes = StompCommands.EscapesOf(command);
        _lines.ResetWrittenCount();
        (HeaderCount, LongestLine) = (0, 0);
        return this;
    }

    /// <summary>Adds a header. One of a name that is there already is not the one that counts.</summary>
    /// <param name="name">In UTF-8, without escapes: they are added, but in CONNECT and CONNECTED, which have none. Not empty.</param>
    /// <param name="value">In the same way; it may be empty.</param>
    /// <exception cref="MessageFormatException">
    /// The frame cannot say it: a NUL; the end of a line in CONNECT or CONNECTED, or a colon in a name of them; no name; or <c>content-length</c>, which the writer adds
    /// (<see cref="StompOptions.WritesContentLength"/>). The frame is without the header.
    /// </exception>
    public StompFrameBuilder Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Check(name, value);
        var start = _lines.WrittenCount;
        WriteText(name);
        _lines.Write(":"u8);
        WriteText(value);
        HeaderCount++;
        LongestLine = Math.Max(LongestLine, _lines.WrittenCount - start);
        _lines.Write("\n"u8);
        return this;
    }

    /// <inheritdoc cref="Add(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
    /// <remarks>Text that is no valid UTF-16 is a <see cref="MessageFormatException"/> too.</remarks>
    public StompFrameBuilder Add(ReadOnlySpan<char> name, ReadOnlySpan<char> value)
    {
        var most = checked((name.Length + value.Length) * Utf16.MostBytesOfChar);
        byte[]? rented = null;
        var bytes = most <= MostOnStack ? stackalloc byte[MostOnStack] : rented = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            var nameLength = Utf16.Encode(name, bytes);
            var valueLength = Utf16.Encode(value, bytes[nameLength..]);
            return Add(bytes[..nameLength], bytes.Slice(nameLength, valueLength));
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Adds a header of a frame that was received, for example to pass what a SEND has on in a MESSAGE.</summary>
    /// <exception cref="MessageFormatException">See <see cref="Add(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>: <c>content-length</c> is not passed on.</exception>
    public StompFrameBuilder Add(in StompHeader header)
    {
        if (header.Name.TryGetSpan(out var name) && header.Value.TryGetSpan(out var value))
        {
            return Add(name, value);
        }

        var length = (int)(header.Name.Raw.Length + header.Value.Raw.Length);
        var bytes = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            header.Name.TryCopyTo(bytes, out var nameLength);
            header.Value.TryCopyTo(bytes.AsSpan(nameLength), out var valueLength);
            return Add(bytes.AsSpan(0, nameLength), bytes.AsSpan(nameLength, valueLength));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Check(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.IsEmpty)
        {
            throw new MessageFormatException("A header has no name.");
        }

        if (name.SequenceEqual("content-length"u8))
        {
            throw new MessageFormatException("The content-length is the writer's to add: see WritesContentLength.");
        }

        var isBad = _escapes == Escapes.None
            ? name.ContainsAny(s_neverInName) || value.ContainsAny(s_neverInValue)
            : name.Contains((byte)0) || value.Contains((byte)0);
        if (isBad)
        {
            throw new MessageFormatException("A header has a byte in it that the frame cannot say: a NUL or, without escapes, the end of a line or a colon in the name.");
        }
    }

    private void WriteText(ReadOnlySpan<byte> text)
    {
        if (_escapes == Escapes.None)
        {
            _lines.Write(text);
        }
        else
        {
            _escapes.Write(text, _lines);
        }
    }
}
