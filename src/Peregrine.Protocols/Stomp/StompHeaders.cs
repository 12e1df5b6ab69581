using System.Buffers;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>The headers of a frame in their order, found while they are enumerated. A name may be there again: its first value counts.</summary>
public readonly struct StompHeaders
{
    private readonly ReadOnlySequence<byte> _lines;
    private readonly Escapes _escapes;

    internal StompHeaders(in ReadOnlySequence<byte> lines, int count, Escapes escapes)
    {
        _lines = lines;
        _escapes = escapes;
        Count = count;
    }

    /// <summary>How many there are, repeated ones included.</summary>
    public int Count { get; }

    /// <summary>Finds the value that a header has: its first one.</summary>
    /// <param name="name">In UTF-8, without escapes, for example <c>"destination"u8</c>.</param>
    /// <param name="value">Empty if there is none.</param>
    public bool TryGet(ReadOnlySpan<byte> name, out WireText value)
    {
        if (_lines.IsSingleSegment && !name.ContainsAny(Escapes.Stomp.Special()))
        {
            return TryGetPlain(name, out value);
        }

        foreach (var header in this)
        {
            if (header.Name.SequenceEqual(name))
            {
                value = header.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>For <c>foreach</c>.</summary>
    public Enumerator GetEnumerator() => new(_lines, _escapes);

    /// <summary>A name that needs no escapes is the same on the wire, and in one place.</summary>
    private bool TryGetPlain(ReadOnlySpan<byte> name, out WireText value)
    {
        var lines = _lines.FirstSpan;
        var start = 0;
        while (start < lines.Length)
        {
            var line = lines[start..];
            line = line[..line.IndexOf((byte)'\n')];
            if (line.Length > name.Length && line[name.Length] == ':' && line.StartsWith(name))
            {
                var length = line.Length - name.Length - 1;
                value = new WireText(_lines.Slice(start + name.Length + 1, line[^1] == '\r' ? length - 1 : length), _escapes);
                return true;
            }

            start += line.Length + 1;
        }

        value = default;
        return false;
    }

    /// <summary>Goes from header to header.</summary>
    public struct Enumerator
    {
        private readonly ReadOnlySequence<byte> _lines;
        private readonly Escapes _escapes;
        private int _next;

        internal Enumerator(in ReadOnlySequence<byte> lines, Escapes escapes)
        {
            _lines = lines;
            _escapes = escapes;
            _next = 0;
            Current = default;
        }

        /// <summary>The header.</summary>
        public StompHeader Current { get; private set; }

        /// <summary>Goes on to the next one.</summary>
        public bool MoveNext()
        {
            if (_next == _lines.Length)
            {
                return false;
            }

            // Every line has its end and its colon: the reader has seen them.
            int length, colon;
            bool hasReturn;
            if (_lines.IsSingleSegment)
            {
                var rest = _lines.FirstSpan[_next..];
                length = rest.IndexOf((byte)'\n');
                colon = rest.IndexOf((byte)':');
                hasReturn = rest[length - 1] == '\r';
            }
            else
            {
                var rest = _lines.Slice(_next);
                length = IndexOf(rest, (byte)'\n');
                colon = IndexOf(rest, (byte)':');
                hasReturn = rest.Slice(length - 1).FirstByte() == '\r';
            }

            var value = _next + colon + 1;
            var end = _next + (hasReturn ? length - 1 : length);
            Current = new StompHeader(new WireText(_lines.Slice(_next, colon), _escapes), new WireText(_lines.Slice(value, end - value), _escapes));
            _next += length + 1;
            return true;
        }

        private static int IndexOf(in ReadOnlySequence<byte> bytes, byte value) => (int)bytes.Slice(0, bytes.PositionOf(value)!.Value).Length;
    }
}
