using System.Buffers;
using System.Text;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>
/// A text as it is on the wire: a view over the bytes of a message, in UTF-8, perhaps with escapes, which are resolved only when somebody asks for the text. As
/// long valid as its message.
/// </summary>
public readonly struct WireText
{
    private const int MostOnStack = 256;

    private readonly Escapes _escapes;

    internal WireText(in ReadOnlySequence<byte> raw, Escapes escapes)
    {
        Raw = raw;
        _escapes = escapes;
    }

    /// <summary>Its bytes, with the escapes that are in them. The text itself is never longer.</summary>
    public ReadOnlySequence<byte> Raw { get; }

    /// <summary>There is nothing in it.</summary>
    public bool IsEmpty => Raw.IsEmpty;

    /// <summary>It is this text, byte by byte, its escapes resolved.</summary>
    /// <param name="text">In UTF-8, for example <c>"destination"u8</c>.</param>
    public bool SequenceEqual(ReadOnlySpan<byte> text)
    {
        if (TryGetSpan(out var span))
        {
            return span.SequenceEqual(text);
        }

        // An escape has two bytes for one: what is compared is never longer than twice the caller's own text.
        if (Raw.Length < text.Length || Raw.Length > 2L * text.Length)
        {
            return false;
        }

        var length = (int)Raw.Length;
        byte[]? rented = null;
        var copy = length <= MostOnStack ? stackalloc byte[MostOnStack] : rented = ArrayPool<byte>.Shared.Rent(length);
        var isEqual = TryCopyTo(copy, out var written) && copy[..written].SequenceEqual(text);
        Return(rented);
        return isEqual;
    }

    /// <summary>The text without a copy, which there is unless it has escapes or lies in several segments.</summary>
    public bool TryGetSpan(out ReadOnlySpan<byte> text)
    {
        text = Raw.FirstSpan;
        return Raw.IsSingleSegment && !HasEscapes;
    }

    /// <summary>Copies the text, its escapes resolved.</summary>
    /// <param name="destination">Large enough if it is as long as <see cref="Raw"/>.</param>
    /// <param name="bytesWritten">How long the text is.</param>
    /// <returns>False if <paramref name="destination"/> is too small.</returns>
    public bool TryCopyTo(Span<byte> destination, out int bytesWritten)
    {
        bytesWritten = 0;
        var isEscaped = false;
        foreach (var segment in Raw)
        {
            if (!TryCopy(segment.Span, destination, ref bytesWritten, ref isEscaped))
            {
                return false;
            }
        }

        // A backslash at the end of all is itself.
        return !isEscaped || TryAppend((byte)'\\', destination, ref bytesWritten);
    }

    /// <summary>The text as a string, which is allocated. What is not UTF-8 becomes U+FFFD.</summary>
    public override string ToString()
    {
        if (!HasEscapes)
        {
            return Encoding.UTF8.GetString(Raw);
        }

        var rented = ArrayPool<byte>.Shared.Rent((int)Raw.Length);
        TryCopyTo(rented, out var written);
        var text = Encoding.UTF8.GetString(rented, 0, written);
        Return(rented);
        return text;
    }

    private bool HasEscapes => _escapes != Escapes.None && (Raw.IsSingleSegment ? Raw.FirstSpan.Contains((byte)'\\') : Raw.PositionOf((byte)'\\') is not null);

    private static void Return(byte[]? rented)
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static bool TryAppend(byte value, Span<byte> destination, ref int written)
    {
        if (written == destination.Length)
        {
            return false;
        }

        destination[written++] = value;
        return true;
    }

    private bool TryCopy(ReadOnlySpan<byte> raw, Span<byte> destination, ref int written, ref bool isEscaped)
    {
        while (!raw.IsEmpty)
        {
            if (isEscaped)
            {
                isEscaped = false;
                var meant = _escapes.Unescape(raw[0]);
                if (!TryAppend(meant < 0 ? (byte)'\\' : (byte)meant, destination, ref written))
                {
                    return false;
                }

                // What is no escape is read again as what it is: it is no backslash.
                raw = meant < 0 ? raw : raw[1..];
                continue;
            }

            var plain = _escapes == Escapes.None ? -1 : raw.IndexOf((byte)'\\');
            isEscaped = plain >= 0;
            var text = isEscaped ? raw[..plain] : raw;
            if (!text.TryCopyTo(destination[written..]))
            {
                return false;
            }

            written += text.Length;
            raw = isEscaped ? raw[(plain + 1)..] : [];
        }

        return true;
    }
}
