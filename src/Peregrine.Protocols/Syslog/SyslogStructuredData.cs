using System.Buffers;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>Structured data of RFC 5424, section 6.3: elements, found while they are enumerated.</summary>
public readonly struct SyslogStructuredData
{
    internal SyslogStructuredData(in ReadOnlySequence<byte> raw) => Raw = raw;

    /// <summary>All of it as it is on the wire, for example <c>[timeQuality tzKnown="1"]</c>. Empty if there is none.</summary>
    public ReadOnlySequence<byte> Raw { get; }

    /// <summary>There is none.</summary>
    public bool IsEmpty => Raw.IsEmpty;

    /// <summary>Finds a value: the first one of this name in the first element of this id.</summary>
    /// <param name="id">The element's id, for example <c>"timeQuality"u8</c>.</param>
    /// <param name="name">The parameter's name.</param>
    /// <param name="value">Empty if there is none.</param>
    public bool TryGet(ReadOnlySpan<byte> id, ReadOnlySpan<byte> name, out WireText value)
    {
        foreach (var element in this)
        {
            if (element.Id.SequenceEqual(id))
            {
                return element.TryGet(name, out value);
            }
        }

        value = default;
        return false;
    }

    /// <summary>For <c>foreach</c>.</summary>
    public Enumerator GetEnumerator() => new(Raw);

    /// <summary>Goes from element to element.</summary>
    public struct Enumerator
    {
        private ReadOnlySequence<byte> _rest;

        internal Enumerator(in ReadOnlySequence<byte> rest)
        {
            _rest = rest;
            Current = default;
        }

        /// <summary>The element.</summary>
        public SyslogElement Current { get; private set; }

        /// <summary>Goes on to the next one.</summary>
        public bool MoveNext()
        {
            if (_rest.IsEmpty)
            {
                return false;
            }

            // All of it was found right before.
            var reader = new SequenceReader<byte>(_rest);
            reader.Advance(1);
            reader.TryReadToAny(out ReadOnlySequence<byte> id, " ]"u8, advancePastDelimiter: false);
            var start = reader.Position;
            while (reader.IsNext((byte)' '))
            {
                reader.TryReadTo(out ReadOnlySequence<byte> _, (byte)'"');
                reader.TryReadTo(out ReadOnlySequence<byte> _, (byte)'"', (byte)'\\');
            }

            Current = new SyslogElement(new WireText(id, Escapes.None), _rest.Slice(start, reader.Position));
            reader.Advance(1);
            _rest = reader.UnreadSequence;
            return true;
        }
    }
}
