namespace Peregrine.Sockets.Datagrams;

/// <summary>
/// Datagrams to send, in their order, copied into pinned memory one behind the other: those of one length to one peer are an entry, which a system call can take as
/// one message (UDP_SEGMENT, udp(7)). Every member is called under the lock of its owner.
/// </summary>
internal sealed class SendRing(int mostBytes, int mostDatagrams)
{
    // UDP_MAX_SEGMENTS of the older kernels (linux/udp.h), and the largest payload over IPv4.
    private const int MostSegments = 64;
    private const int MostSegmentedBytes = DatagramLimits.LargestPayload;

    private const int LeastEntries = 64;

    // Written before it is read; what was never used costs nothing.
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(mostBytes, pinned: true);
    private SendEntry[] _entries = new SendEntry[LeastEntries];
    private int _first;
    private int _tail;

    /// <summary>Messages, if each entry can be one.</summary>
    public int Entries { get; private set; }

    public int Datagrams { get; private set; }

    /// <summary>Of payload.</summary>
    public long Bytes { get; private set; }

    /// <summary>The longest datagrams that are put together; zero, if none are.</summary>
    public int LargestSegment { get; set; }

    /// <summary>False if there is no room.</summary>
    public bool TryAdd(ReadOnlySpan<byte> payload, in DatagramPath path, PackedMarks marks)
    {
        if (Datagrams == mostDatagrams || !TryFindRoom(payload.Length, out var offset))
        {
            return false;
        }

        payload.CopyTo(_bytes.AsSpan(offset));
        _tail = offset + payload.Length;
        Datagrams++;
        Bytes += payload.Length;
        if (Entries > 0 && TryExtend(ref Entry(Entries - 1), offset, payload.Length, path, marks))
        {
            return true;
        }

        if (Entries == _entries.Length)
        {
            Grow();
        }

        Entry(Entries) = new SendEntry { Offset = offset, Length = payload.Length, SegmentSize = payload.Length, Datagrams = 1, Path = path, Marks = marks };
        Entries++;
        return true;
    }

    public ref SendEntry Entry(int index) => ref _entries[(_first + index) & (_entries.Length - 1)];

    public Memory<byte> Memory(int offset, int length) => _bytes.AsMemory(offset, length);

    /// <summary>Says what is to be sent next, as messages. Nothing is added to their entries from then on.</summary>
    /// <returns>How many there are.</returns>
    public int Prepare(Span<OutgoingMessage> messages)
    {
        var count = 0;
        for (var i = 0; i < Entries && count < messages.Length; i++)
        {
            ref var entry = ref Entry(i);
            entry.IsClosed = true;
            if (entry.Datagrams == 1 || entry.IsSegmented(LargestSegment))
            {
                messages[count++] = new OutgoingMessage(i, entry.Offset, entry.Length, entry.Datagrams);
                continue;
            }

            for (var sent = 0; sent < entry.Length && count < messages.Length; sent += entry.SegmentSize)
            {
                messages[count++] = new OutgoingMessage(i, entry.Offset + sent, Math.Min(entry.SegmentSize, entry.Length - sent), 1);
            }
        }

        return count;
    }

    /// <summary>Takes out the first message that was prepared, or the next one.</summary>
    public void RemoveFirst(in OutgoingMessage message)
    {
        ref var entry = ref Entry(0);
        entry.Offset += message.Length;
        entry.Length -= message.Length;
        entry.Datagrams -= message.Datagrams;
        Datagrams -= message.Datagrams;
        Bytes -= message.Length;
        if (entry.Datagrams == 0)
        {
            _first = (_first + 1) & (_entries.Length - 1);
            Entries--;
        }
    }

    /// <summary>Takes out all.</summary>
    public void Clear()
    {
        Entries = 0;
        Datagrams = 0;
        Bytes = 0;
    }

    /// <summary>Looks for as many bytes in a row.</summary>
    private bool TryFindRoom(int length, out int offset)
    {
        if (Entries == 0)
        {
            // From the beginning, whenever it is empty: the memory that is used stays small.
            offset = 0;
            return true;
        }

        var start = Entry(0).Offset;
        offset = _tail;
        if (_tail >= start)
        {
            if (_bytes.Length - _tail >= length)
            {
                return true;
            }

            offset = 0;
        }

        // Not to the last byte, which would look like an empty one.
        return start - offset > length;
    }

    private bool TryExtend(ref SendEntry last, int offset, int length, in DatagramPath path, PackedMarks marks)
    {
        if (last.IsClosed
            || length > last.SegmentSize
            || length == 0
            || last.SegmentSize > LargestSegment
            || last.Datagrams == MostSegments
            || last.Length + length > MostSegmentedBytes
            || last.Offset + last.Length != offset
            || last.Marks != marks
            || last.Path != path)
        {
            return false;
        }

        last.Length += length;
        last.Datagrams++;
        last.IsClosed = length < last.SegmentSize; // Only the last segment may be shorter.
        return true;
    }

    private void Grow()
    {
        var larger = new SendEntry[2 * _entries.Length];
        for (var i = 0; i < Entries; i++)
        {
            larger[i] = Entry(i);
        }

        _entries = larger;
        _first = 0;
    }
}

/// <summary>Datagrams of one length to one peer; the last of several may be shorter.</summary>
internal struct SendEntry
{
    public int Offset;
    public int Length;
    public int SegmentSize;
    public int Datagrams;

    /// <summary>Nothing is added any more.</summary>
    public bool IsClosed;

    /// <summary>The kernel has refused it as one message.</summary>
    public bool IsRefusedAsOne;

    public DatagramPath Path;
    public PackedMarks Marks;

    public readonly bool IsSegmented(int largestSegment) => !IsRefusedAsOne && SegmentSize <= largestSegment;
}

/// <summary>A message of a system call.</summary>
/// <param name="Entry">The index of the entry of which it is a part, or all.</param>
/// <param name="Offset">Where its bytes are.</param>
/// <param name="Length">How many.</param>
/// <param name="Datagrams">How many datagrams they are.</param>
internal readonly record struct OutgoingMessage(int Entry, int Offset, int Length, int Datagrams);
