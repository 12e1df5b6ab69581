using System.Buffers.Binary;
using System.Diagnostics;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// One closed-loop client: a fixed number of datagrams in flight; each answer lets the next one go. A datagram is its number, then bytes that depend on the client; every
/// byte of every answer is compared. One whose answer does not come is sent again, and counted.
/// </summary>
internal sealed class DatagramEchoPeer
{
    private const int NumberLength = sizeof(long);
    private const long Nothing = 0;

    private readonly byte[] _content;

    // By the remainder of the number: the number in flight, since when, and since when it was sent last, or that nothing is.
    private readonly long[] _numbers;
    private readonly long[] _since;
    private readonly long[] _sentAt;
    private int _outstanding;
    private long _duplicates;

    public DatagramEchoPeer(Load load, int index)
    {
        (_numbers, _since, _sentAt) = (new long[load.Depth], new long[load.Depth], new long[load.Depth]);
        _content = new byte[load.Size];
        new Random(index).NextBytes(_content);
        for (var slot = 0; slot < load.Depth; slot++)
        {
            _numbers[slot] = slot - load.Depth;
        }
    }

    public int Depth => _numbers.Length;

    /// <summary>Everything that was sent has been answered.</summary>
    public bool IsQuiet => _outstanding == 0;

    public long Answered { get; private set; }

    /// <summary>How often one was sent again.</summary>
    public long Resent { get; private set; }

    /// <summary>Writes the next datagram of a slot in which nothing is in flight.</summary>
    public void WriteNext(int slot, Span<byte> datagram, long now)
    {
        _numbers[slot] += _numbers.Length;
        (_since[slot], _sentAt[slot]) = (now, now);
        _outstanding++;
        Write(slot, datagram);
    }

    /// <summary>Whether the one of a slot has waited for its answer for this time.</summary>
    public bool IsLost(int slot, long now, TimeSpan timeout) =>
        _sentAt[slot] != Nothing && Stopwatch.GetElapsedTime(_sentAt[slot], now) > timeout;

    /// <summary>Writes the one of a slot again.</summary>
    public void WriteAgain(int slot, Span<byte> datagram, long now)
    {
        Resent++;
        _sentAt[slot] = now;
        Write(slot, datagram);
    }

    /// <summary>The slot whose answer it is, and since when it was in flight; null if it is one that has come before.</summary>
    /// <exception cref="InvalidDataException">It is not what was sent.</exception>
    public (int Slot, long Since)? TryTake(ReadOnlySpan<byte> answer)
    {
        var number = answer.Length >= NumberLength ? BinaryPrimitives.ReadInt64LittleEndian(answer) : -1;
        var slot = (int)(number % _numbers.Length);
        if (answer.Length != _content.Length || number < 0 || number > _numbers[slot] || !answer[NumberLength..].SequenceEqual(_content.AsSpan(NumberLength)))
        {
            throw new InvalidDataException($"A datagram of {answer.Length} bytes came, number {number}, that is no answer.");
        }

        if (_sentAt[slot] == Nothing || number != _numbers[slot])
        {
            // Sent twice, because it was late, it is answered twice.
            return ++_duplicates <= Resent ? null : throw new InvalidDataException($"Datagram {number} was answered twice.");
        }

        _sentAt[slot] = Nothing;
        _outstanding--;
        Answered++;
        return (slot, _since[slot]);
    }

    private void Write(int slot, Span<byte> datagram)
    {
        _content.CopyTo(datagram);
        BinaryPrimitives.WriteInt64LittleEndian(datagram, _numbers[slot]);
    }
}
