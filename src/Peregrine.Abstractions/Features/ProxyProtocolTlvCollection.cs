using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Features;

/// <summary>A TLV of a PROXY protocol header (proxy-protocol.txt §2.2).</summary>
/// <param name="type">See <see cref="ProxyProtocolTlvType"/>.</param>
/// <param name="value">The value, to 65,535 bytes.</param>
[SuppressMessage("Performance", "CA1815", Justification = "Whether two are equal depends on the type: nobody compares them as they are.")]
public readonly struct ProxyProtocolTlv(byte type, ReadOnlyMemory<byte> value)
{
    /// <summary>See <see cref="ProxyProtocolTlvType"/>.</summary>
    public byte Type => type;

    /// <summary>The value.</summary>
    public ReadOnlyMemory<byte> Value => value;
}

/// <summary>TLVs, over one block of memory: they are read as they are walked over, and nothing is kept for each. Immutable.</summary>
public sealed class ProxyProtocolTlvCollection : IEnumerable<ProxyProtocolTlv>
{
    private readonly ReadOnlyMemory<byte> _block;

    private ProxyProtocolTlvCollection(ReadOnlyMemory<byte> block) => _block = block;

    /// <summary>No TLVs.</summary>
    public static ProxyProtocolTlvCollection Empty { get; } = new(default);

    /// <summary>Takes a block of TLVs, one behind the other: also that of a value that has TLVs inside.</summary>
    /// <param name="block">The block. It is kept, and must not change.</param>
    /// <param name="tlvs">The TLVs.</param>
    /// <returns>False if the last one is cut off.</returns>
    public static bool TryCreate(ReadOnlyMemory<byte> block, [NotNullWhen(true)] out ProxyProtocolTlvCollection? tlvs)
    {
        tlvs = block.IsEmpty ? Empty : TlvReader.IsWhole(block.Span) ? new ProxyProtocolTlvCollection(block) : null;
        return tlvs is not null;
    }

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => _block.IsEmpty;

    /// <summary>Finds the first of a type.</summary>
    /// <param name="type">See <see cref="ProxyProtocolTlvType"/>.</param>
    /// <param name="value">Its value.</param>
    public bool TryGet(byte type, out ReadOnlyMemory<byte> value)
    {
        var reader = new TlvReader(_block.Span);
        while (reader.MoveNext())
        {
            if (reader.Type == type)
            {
                value = _block.Slice(reader.Start, reader.Length);
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <inheritdoc/>
    public IEnumerator<ProxyProtocolTlv> GetEnumerator()
    {
        for (var next = _block; !next.IsEmpty;)
        {
            var (type, start, length) = First(next.Span);
            yield return new ProxyProtocolTlv(type, next.Slice(start, length));
            next = next[(start + length)..];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static (byte Type, int Start, int Length) First(ReadOnlySpan<byte> block)
    {
        var reader = new TlvReader(block);
        reader.MoveNext();
        return (reader.Type, reader.Start, reader.Length);
    }
}
