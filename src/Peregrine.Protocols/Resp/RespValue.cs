using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Peregrine.Protocols.Resp;

namespace Peregrine.Protocols;

/// <summary>
/// A value, as a server sends it: <c>foreach</c> goes over what is in an aggregate. A view over what was received, valid until its reader waits for more. The
/// default is a null.
/// </summary>
public readonly struct RespValue
{
    private readonly ReadOnlySequence<byte> _payload;
    private readonly ReadOnlySequence<byte> _attributes;
    private readonly int _attributeCount;

    private RespValue(RespToken token, in ReadOnlySequence<byte> payload, int attributeCount, in ReadOnlySequence<byte> attributes)
    {
        Type = token.Type;
        Count = (int)token.Elements;
        _payload = payload;
        _attributeCount = attributeCount;
        _attributes = attributes;
    }

    /// <summary>What it is.</summary>
    public RespType Type { get; }

    /// <summary>There is no value.</summary>
    public bool IsNull => Type == RespType.Null;

    /// <summary>It says what is wrong (<see cref="RespType.Error"/>, <see cref="RespType.BulkError"/>).</summary>
    public bool IsError => Type is RespType.Error or RespType.BulkError;

    /// <summary>How many values are in an aggregate. A map has two for each pair: the key, and behind it its value. 0 for what is no aggregate.</summary>
    public int Count { get; }

    /// <summary>The bytes of a string or an error, and the digits of a number. Empty for aggregates and null.</summary>
    public ReadOnlySequence<byte> Bytes => Type switch
    {
        RespType.VerbatimString => _payload.Slice(RespToken.FormatLength + 1),
        _ => Count == 0 ? _payload : default,
    };

    /// <summary>The three bytes that say in what format a <see cref="RespType.VerbatimString"/> is. Empty for everything else.</summary>
    public ReadOnlySequence<byte> Format => Type == RespType.VerbatimString ? _payload.Slice(0, RespToken.FormatLength) : default;

    /// <summary>What was said about the value in front of it, of the type <see cref="RespType.Attribute"/>, or a null. Of several in a row, the first.</summary>
    public RespValue Attributes => _attributeCount == 0 ? default : new RespValue(new RespToken(RespType.Attribute, _attributeCount, default), _attributes, 0, default);

    /// <summary>The number.</summary>
    /// <exception cref="InvalidOperationException">It is no <see cref="RespType.Integer"/>.</exception>
    public long GetInteger()
    {
        ThrowUnless(RespType.Integer);
        Span<byte> copy = stackalloc byte[RespToken.LongestInteger];
        return Utf8Parser.TryParse(TextIn(copy), out long value, out _) ? value : 0;
    }

    /// <summary>The number.</summary>
    /// <exception cref="InvalidOperationException">It is no <see cref="RespType.Double"/>.</exception>
    public double GetDouble()
    {
        ThrowUnless(RespType.Double);
        Span<byte> copy = stackalloc byte[RespToken.LongestDouble];
        RespToken.TryReadDouble(TextIn(copy), out var value);
        return value;
    }

    /// <summary>True or false.</summary>
    /// <exception cref="InvalidOperationException">It is no <see cref="RespType.Boolean"/>.</exception>
    public bool GetBoolean()
    {
        ThrowUnless(RespType.Boolean);
        return _payload.FirstSpan[0] == 't';
    }

    /// <summary>The <see cref="Bytes"/> as text of UTF-8. Bytes that are none become U+FFFD.</summary>
    public string GetString() => Encoding.UTF8.GetString(Bytes);

    /// <summary>Over what is in an aggregate. Each value is found by going over it once, so that walks of nested values look at a byte once for each level.</summary>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>Takes the first of some values that are known to be whole and right.</summary>
    internal static RespValue Take(ref ReadOnlySequence<byte> bytes)
    {
        var reader = new SequenceReader<byte>(bytes);
        var attributes = ReadOnlySequence<byte>.Empty;
        var attributeCount = 0;
        while (true)
        {
            RespToken.TryRead(ref reader, RespLimits.None, out var token, out _);
            var payload = token.Payload;
            if (token.IsAggregate)
            {
                var begin = reader.Position;
                RespToken.Skip(ref reader, token.Elements);
                payload = bytes.Slice(begin, reader.Position);
            }

            if (token.Type != RespType.Attribute)
            {
                bytes = bytes.Slice(reader.Position);
                return new RespValue(token, payload, attributeCount, attributes);
            }

            if (attributeCount == 0)
            {
                (attributes, attributeCount) = (payload, (int)token.Elements);
            }
        }
    }

    private ReadOnlySpan<byte> TextIn(Span<byte> copy)
    {
        if (_payload.IsSingleSegment)
        {
            return _payload.FirstSpan;
        }

        _payload.CopyTo(copy);
        return copy[..(int)_payload.Length];
    }

    private void ThrowUnless(RespType type)
    {
        if (Type != type)
        {
            throw new InvalidOperationException($"A value of the type {Type} is no {type}.");
        }
    }

    /// <summary>Goes over the values of an aggregate.</summary>
    public struct Enumerator
    {
        private ReadOnlySequence<byte> _rest;
        private int _left;

        internal Enumerator(in RespValue value)
        {
            _rest = value._payload;
            _left = value.Count;
        }

        /// <summary>The value.</summary>
        public RespValue Current { get; private set; }

        /// <summary>Goes to the next one. False if there is none.</summary>
        public bool MoveNext()
        {
            if (_left == 0)
            {
                return false;
            }

            _left--;
            Current = Take(ref _rest);
            return true;
        }
    }
}
