using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>
/// Encoded messages on their way to the output: bytes in one pooled array, and between them messages that many writers share
/// (<see cref="EncodedMessage"/>). It holds no array while it is empty.
/// </summary>
internal sealed class PendingBytes : IBufferWriter<byte>
{
    private const int SmallestArray = 1024;

    // What is copied sooner than it is given to an output in pieces.
    private const int MostAtOnce = 4096;

    // A kilobyte and a half: those of more messages than this, which many writers hold at once, are the peers' that were slow.
    private const int MostInsertionsKept = 64;
    private const int FewestInsertions = 4;
    private const int MostPiecesOfRuns = 4;

    // A ring, whose size is a power of two.
    private Insertion[] _insertions = [];
    private int _oldest;
    private int _count;
    private int _messages;
    private byte[] _array = [];
    private int _length;
    private long _shared;

    /// <summary>All of them.</summary>
    public long Length => _length + _shared;

    /// <summary>Those that were written here.</summary>
    public int OwnLength => _length;

    /// <summary>The bytes of those, where nothing is shared.</summary>
    public ReadOnlySpan<byte> Own => _array.AsSpan(0, _length);

    public bool IsEmpty => Length == 0;

    /// <summary>How many of them are shared.</summary>
    public int Messages => _messages;

    /// <summary>In how many pieces those are.</summary>
    public int SharedPieces => _count;

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _array.Length - _length);
        _length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _array.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _array.AsSpan(_length);
    }

    /// <summary>Adds a message that is not copied. The caller has held it; it is let go when it is taken or dropped.</summary>
    /// <param name="message">The message.</param>
    /// <param name="waits">It may wait for long, or be dropped.</param>
    public void Add(EncodedMessage message, bool waits)
    {
        var part = message.Part;
        if (!waits && _count > 0 && InsertionAt(_count - 1) is var last && last.At == _length && last.Part.IsContinuedBy(part))
        {
            InsertionAt(_count - 1) = new Insertion(last.Part with { Length = last.Part.Length + part.Length }, last.Messages + 1, _length);
        }
        else
        {
            if (_count == _insertions.Length)
            {
                MakeRoomForInsertion();
            }

            // Pieces of many runs would keep all that is in them.
            InsertionAt(_count) = new Insertion(waits || _count >= MostPiecesOfRuns ? message.Keep() : part, 1, _length);
            _count++;
        }

        // Behind what may fail.
        _messages++;
        _shared += part.Length;
    }

    /// <summary>Drops the oldest shared piece, and tells how many messages it was; zero if there is none.</summary>
    public int DropOldest()
    {
        if (_count == 0)
        {
            return 0;
        }

        var (part, messages, _) = InsertionAt(0);
        InsertionAt(0) = default;
        _oldest++;
        _count--;
        _messages -= messages;
        _shared -= part.Length;
        part.Bytes.Release(messages);
        return messages;
    }

    /// <summary>All of them, if they are in one place; a few are brought there, and what is shared of them is let go.</summary>
    public bool TryGetSingle(out ReadOnlyMemory<byte> bytes)
    {
        if (_length == 0 && _count == 1)
        {
            bytes = InsertionAt(0).Part.Memory;
            return true;
        }

        if (_count > 0 && Length <= MostAtOnce)
        {
            Join((int)Length);
        }

        bytes = _array.AsMemory(0, _length);
        return _count == 0;
    }

    /// <summary>Copies all of them in their order.</summary>
    public void CopyTo(IBufferWriter<byte> output)
    {
        var copied = 0;
        for (var i = 0; i < _count; i++)
        {
            var (part, _, at) = InsertionAt(i);
            output.Write(_array.AsSpan(copied, at - copied));
            output.Write(part.Memory.Span);
            copied = at;
        }

        output.Write(_array.AsSpan(copied, _length - copied));
    }

    /// <summary>Moves what was written here, where nothing is shared, behind what is there.</summary>
    public void MoveTo(PendingBytes other)
    {
        if (other._length == 0 && other._array.Length == 0)
        {
            (other._array, other._length) = (_array, _length);
            (_array, _length) = ([], 0);
        }
        else
        {
            // At once, or not at all.
            other.MakeRoom(_length);
            other.Write(_array.AsSpan(0, _length));
        }
    }

    /// <summary>What was written here, in a pooled array that is the caller's from here on, and not much larger.</summary>
    public byte[] Detach(out int length)
    {
        length = _length;
        if (_array.Length > 2 * (long)length)
        {
            var fitting = length == 0 ? [] : ArrayPool<byte>.Shared.Rent(length);
            _array.AsSpan(0, length).CopyTo(fitting);
            _length = 0;
            return fitting;
        }

        var array = _array;
        (_array, _length) = ([], 0);
        return array;
    }

    /// <summary>Everything was sent, or is not wanted any more.</summary>
    public void Clear()
    {
        while (DropOldest() > 0)
        {
        }

        if (_insertions.Length > MostInsertionsKept)
        {
            _insertions = [];
        }

        if (_array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_array);
            _array = [];
        }

        _length = 0;
    }

    private void MakeRoom(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        sizeHint = Math.Max(sizeHint, 1);
        if (_array.Length - _length >= sizeHint)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(SmallestArray, checked(_length + sizeHint)), (int)Math.Min(2L * _array.Length, Array.MaxLength)));
        _array.AsSpan(0, _length).CopyTo(larger);
        if (_array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_array);
        }

        _array = larger;
    }

    private ref Insertion InsertionAt(int index) => ref _insertions[(_oldest + index) & (_insertions.Length - 1)];

    private void MakeRoomForInsertion()
    {
        var larger = new Insertion[Math.Max(FewestInsertions, 2 * _count)];
        for (var i = 0; i < _count; i++)
        {
            larger[i] = InsertionAt(i);
        }

        (_insertions, _oldest) = (larger, 0);
    }

    private void Join(int length)
    {
        var joined = ArrayPool<byte>.Shared.Rent(length);
        var (copied, end) = (0, 0);
        while (_count > 0)
        {
            var (part, _, at) = InsertionAt(0);
            Copy(_array.AsSpan(copied, at - copied));
            Copy(part.Memory.Span);
            copied = at;
            DropOldest();
        }

        Copy(_array.AsSpan(copied, _length - copied));
        if (_array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_array);
        }

        (_array, _length) = (joined, length);

        void Copy(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(joined.AsSpan(end));
            end += bytes.Length;
        }
    }

    private readonly record struct Insertion(SharedPart Part, int Messages, int At);
}
