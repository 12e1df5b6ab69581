using System.Buffers;

namespace Peregrine.Protocols.Marks;

/// <summary>
/// Where the messages of one read are decoded to that cannot be views over the input: pooled arrays, which are the messages' until <see cref="Return"/>. All of them have no
/// more than about twice the bytes that were received.
/// </summary>
internal sealed class DecodedBytes
{
    private const int SmallestArray = 1024;

    private readonly List<byte[]> _full = [];
    private byte[] _array = [];
    private int _length;

    /// <summary>Room for what is encoded, in a row.</summary>
    /// <param name="encoded">Decoding makes it no longer, and may be done in place: from the beginning, writing no further than it has read.</param>
    /// <param name="room">As long as it.</param>
    /// <returns>Its bytes, in the room if they are not in a row where they were.</returns>
    public ReadOnlySpan<byte> Place(scoped in ReadOnlySequence<byte> encoded, out Span<byte> room)
    {
        var length = (int)encoded.Length;
        if (_array.Length - _length < length)
        {
            AddArray(length);
        }

        room = _array.AsSpan(_length, length);
        if (encoded.IsSingleSegment)
        {
            return encoded.FirstSpan;
        }

        encoded.CopyTo(room);
        return room;
    }

    /// <summary>The beginning of the room, which is a message.</summary>
    public ReadOnlySequence<byte> Take(int length)
    {
        var message = new ReadOnlySequence<byte>(_array, _length, length);
        _length += length;
        return message;
    }

    /// <summary>The messages are not used any more.</summary>
    public void Return()
    {
        if (_array.Length == 0)
        {
            return;
        }

        foreach (var array in _full)
        {
            ArrayPool<byte>.Shared.Return(array);
        }

        _full.Clear();
        ArrayPool<byte>.Shared.Return(_array);
        (_array, _length) = ([], 0);
    }

    private void AddArray(int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(Math.Max(SmallestArray, length), 2L * _array.Length)));
        if (_array.Length > 0)
        {
            _full.Add(_array);
        }

        (_array, _length) = (larger, 0);
    }
}
