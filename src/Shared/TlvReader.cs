using System.Buffers.Binary;

namespace Peregrine;

/// <summary>Walks over the TLVs of a PROXY protocol header, or those inside one of them (proxy-protocol.txt §2.2): a type of one byte, a length of two, the value.</summary>
internal ref struct TlvReader(ReadOnlySpan<byte> block)
{
    public const int HeadLength = 3;

    private readonly ReadOnlySpan<byte> _block = block;
    private int _next;

    public byte Type { get; private set; }

    /// <summary>Where the value begins.</summary>
    public int Start { get; private set; }

    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Value => _block.Slice(Start, Length);

    /// <summary>All of it was read. False after <see cref="MoveNext"/> means that a TLV is cut off.</summary>
    public readonly bool IsAtEnd => _next == _block.Length;

    public bool MoveNext()
    {
        if (_block.Length - _next < HeadLength)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(_block[(_next + 1)..]);
        if (_block.Length - _next - HeadLength < length)
        {
            return false;
        }

        Type = _block[_next];
        Start = _next + HeadLength;
        Length = length;
        _next = Start + length;
        return true;
    }

    /// <summary>Whether the block is nothing but whole TLVs.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> block)
    {
        var reader = new TlvReader(block);
        while (reader.MoveNext())
        {
        }

        return reader.IsAtEnd;
    }
}
