using System.Buffers;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>An element of structured data: parameters, found while they are enumerated.</summary>
public readonly struct SyslogElement
{
    private readonly ReadOnlySequence<byte> _parameters;

    internal SyslogElement(WireText id, in ReadOnlySequence<byte> parameters)
    {
        Id = id;
        _parameters = parameters;
    }

    /// <summary>What it is about, SD-ID: up to 32 bytes, a registered name or one with an at sign and an enterprise number.</summary>
    public WireText Id { get; }

    /// <summary>Finds a value: the first one of this name.</summary>
    /// <param name="name">The parameter's name, for example <c>"tzKnown"u8</c>.</param>
    /// <param name="value">Empty if there is none.</param>
    public bool TryGet(ReadOnlySpan<byte> name, out WireText value)
    {
        foreach (var parameter in this)
        {
            if (parameter.Name.SequenceEqual(name))
            {
                value = parameter.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>For <c>foreach</c>.</summary>
    public Enumerator GetEnumerator() => new(_parameters);

    /// <summary>Goes from parameter to parameter.</summary>
    public struct Enumerator
    {
        private ReadOnlySequence<byte> _rest;

        internal Enumerator(in ReadOnlySequence<byte> rest)
        {
            _rest = rest;
            Current = default;
        }

        /// <summary>The parameter.</summary>
        public SyslogParameter Current { get; private set; }

        /// <summary>Goes on to the next one.</summary>
        public bool MoveNext()
        {
            if (_rest.IsEmpty)
            {
                return false;
            }

            var reader = new SequenceReader<byte>(_rest);
            reader.Advance(1);
            reader.TryReadTo(out ReadOnlySequence<byte> name, (byte)'=');
            reader.Advance(1);
            reader.TryReadTo(out ReadOnlySequence<byte> value, (byte)'"', (byte)'\\');
            Current = new SyslogParameter(new WireText(name, Escapes.None), new WireText(value, Escapes.Syslog));
            _rest = reader.UnreadSequence;
            return true;
        }
    }
}

/// <summary>A parameter of an element.</summary>
/// <param name="Name">Up to 32 bytes. It may be in its element several times.</param>
/// <param name="Value">In UTF-8. It may be empty.</param>
public readonly record struct SyslogParameter(WireText Name, WireText Value);
