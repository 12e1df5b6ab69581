using System.Buffers.Binary;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>Makes headers of valid ones that are mostly not valid any more, the same for a seed each time.</summary>
internal sealed class Mutations(int seed)
{
    private const int MaxLength = 5_000;

    private static readonly byte[][] s_corpus = [.. Corpus.Valid.Values];
    private static readonly byte[] s_telling = "\r\n \0.:0159fFPT"u8.ToArray();

    private readonly Random _random = new(seed);
    private readonly byte[] _buffer = new byte[MaxLength + 1_024];

    /// <summary>Valid until the next one is made.</summary>
    public ReadOnlyMemory<byte> Next()
    {
        var from = s_corpus[_random.Next(s_corpus.Length)];
        from.CopyTo(_buffer, 0);
        var length = from.Length;
        for (var changes = _random.Next(4); changes >= 0; changes--)
        {
            length = Change(length);
        }

        // What comes behind a wrong checksum would never be looked at.
        if (length > 32 && _random.Next(2) == 0 && _buffer.AsSpan(length - 7, 3).SequenceEqual("\x03\0\x04"u8))
        {
            _buffer.AsSpan(length - 4, 4).Clear();
            BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(length - 4), RawHeader.Crc32C(_buffer.AsSpan(0, length)));
        }

        return _buffer.AsMemory(0, length);
    }

    public int Below(int max) => _random.Next(max);

    private int Change(int length)
    {
        var at = _random.Next(length + 1);
        switch (_random.Next(9))
        {
            case 0 when at < length:
                _buffer[at] ^= (byte)(1 << _random.Next(8));
                return length;
            case 1 when at < length:
                _buffer[at] = (byte)_random.Next(256);
                return length;
            case 2 when at < length:
                _buffer[at] = s_telling[_random.Next(s_telling.Length)];
                return length;
            case 3 when length < MaxLength: // Puts a byte in.
                _buffer.AsSpan(at, length - at).CopyTo(_buffer.AsSpan(at + 1));
                _buffer[at] = s_telling[_random.Next(s_telling.Length)];
                return length + 1;
            case 4 when at < length: // Takes some out.
                var count = _random.Next(1, Math.Min(length - at, 8) + 1);
                _buffer.AsSpan((at + count)..length).CopyTo(_buffer.AsSpan(at));
                return length - count;
            case 5: // Cuts it off.
                return at;
            case 6: // Puts the rest of another one behind.
                var other = s_corpus[_random.Next(s_corpus.Length)];
                var start = _random.Next(other.Length);
                var taken = other.AsSpan(start, Math.Min(other.Length - start, MaxLength - Math.Min(at, MaxLength)));
                taken.CopyTo(_buffer.AsSpan(at));
                return at + taken.Length;
            case 7 when length >= 16: // Says another length.
                BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(14), (ushort)(_random.Next(4) == 0 ? _random.Next(65_536) : length - 16 + _random.Next(-3, 4)));
                return length;
            case 8 when length >= 16: // Says the length that it has by now.
                BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(14), (ushort)(length - 16));
                return length;
            default:
                return length;
        }
    }
}
