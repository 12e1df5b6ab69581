using System.Buffers.Binary;
using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// One closed-loop client with a socket of its own: a fixed number of datagrams in flight; each answer lets the next one go. A datagram is its number, then bytes
/// that depend on the client; every byte of every answer is compared. One whose answer does not come is sent again, and counted.
/// </summary>
internal sealed class DatagramEchoPeer : IDisposable
{
    private const int NumberLength = sizeof(long);

    private readonly DatagramSocket _socket;
    private readonly DatagramVector _outgoing;
    private readonly byte[] _expected;

    // By the number's remainder: what is in flight there, since when, and since when it was sent last.
    private readonly long[] _numbers;
    private readonly long[] _sentAt;
    private readonly long[] _resentAt;
    private int _owed;
    private int _outstanding;
    private long _duplicates;

    public DatagramEchoPeer(Load load, int port, int index)
    {
        _socket = DatagramSocket.Connect(port);
        _numbers = new long[load.Depth];
        _sentAt = new long[load.Depth];
        _resentAt = new long[load.Depth];
        _expected = new byte[load.Size];
        new Random(index).NextBytes(_expected);
        _outgoing = new DatagramVector(load.Depth, load.Size);
        for (var i = 0; i < load.Depth; i++)
        {
            _numbers[i] = i - load.Depth;
            _expected.CopyTo(_outgoing[i]);
        }
    }

    public NativeSocket Descriptor => _socket.Descriptor;

    /// <summary>Everything that was sent has been answered.</summary>
    public bool IsQuiet => _outstanding == 0;

    public long Answered { get; private set; }

    /// <summary>How often one was sent again.</summary>
    public long Resent { get; private set; }

    /// <summary>Sends as many as may be in flight.</summary>
    public void Start()
    {
        var now = Stopwatch.GetTimestamp();
        for (var slot = 0; slot < _numbers.Length; slot++)
        {
            Owe(slot, now);
        }

        SendOwed();
    }

    /// <summary>Receives and compares, and sends as many as were answered.</summary>
    /// <param name="incoming">Of the thread, so that it is warm.</param>
    /// <param name="latencies">Null while nothing is measured.</param>
    /// <param name="maySend">False at the end.</param>
    /// <exception cref="InvalidDataException">What came back is not what was sent.</exception>
    public void OnReady(DatagramVector incoming, Latencies? latencies, bool maySend)
    {
        var count = _socket.TryReceive(incoming);
        var now = Stopwatch.GetTimestamp();
        var (together, togetherSince) = (0, 0L);
        for (var i = 0; i < count; i++)
        {
            if (TryTake(incoming.Received(i)) is not { } slot)
            {
                continue;
            }

            // Those that were sent together and came back together took the same time: one record for all.
            if (_sentAt[slot] != togetherSince)
            {
                latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
                (together, togetherSince) = (0, _sentAt[slot]);
            }

            together++;
            if (maySend)
            {
                Owe(slot, now);
            }
        }

        latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
        SendOwed();
    }

    /// <summary>Sends again what has waited for its answer for this time.</summary>
    public void ResendLost(TimeSpan timeout)
    {
        var now = Stopwatch.GetTimestamp();
        for (var slot = 0; slot < _numbers.Length; slot++)
        {
            if (_resentAt[slot] != 0 && Stopwatch.GetElapsedTime(_resentAt[slot], now) > timeout)
            {
                Resent++;
                Queue(slot, now);
            }
        }

        SendOwed();
    }

    public void Dispose()
    {
        _socket.Close();
        _outgoing.Dispose();
    }

    /// <summary>The slot whose answer it is; null if it is one that came already.</summary>
    private int? TryTake(ReadOnlySpan<byte> answer)
    {
        var number = answer.Length >= NumberLength ? BinaryPrimitives.ReadInt64LittleEndian(answer) : -1;
        var slot = (int)(number % _numbers.Length);
        if (answer.Length != _expected.Length || number < 0 || number > _numbers[slot] || !answer[NumberLength..].SequenceEqual(_expected.AsSpan(NumberLength)))
        {
            throw new InvalidDataException($"A datagram of {answer.Length} bytes came, number {number}, that is no answer.");
        }

        if (_resentAt[slot] == 0 || number != _numbers[slot])
        {
            // Sent twice, because it was late, it is answered twice.
            return ++_duplicates <= Resent ? null : throw new InvalidDataException($"Datagram {number} was answered twice.");
        }

        _resentAt[slot] = 0;
        _outstanding--;
        Answered++;
        return slot;
    }

    private void Owe(int slot, long now)
    {
        _numbers[slot] += _numbers.Length;
        _sentAt[slot] = now;
        _outstanding++;
        Queue(slot, now);
    }

    private void Queue(int slot, long now)
    {
        _resentAt[slot] = now;
        BinaryPrimitives.WriteInt64LittleEndian(_outgoing[_owed++], _numbers[slot]);
    }

    private void SendOwed()
    {
        _socket.Send(_outgoing, _owed);
        _owed = 0;
    }
}
