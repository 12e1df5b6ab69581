using System.Buffers.Binary;
using System.Diagnostics;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// One closed-loop connection: a fixed number of messages in flight; each answer that is complete lets the next message go. Message n is its
/// number, then bytes that depend on the connection; every byte of every answer is compared.
/// </summary>
internal sealed class EchoConnection
{
    private const int NumberLength = sizeof(long);

    private readonly Load _load;
    private readonly byte[] _outgoing;
    private readonly byte[] _expected;
    private readonly long[] _sentAt;
    private long _sent;
    private long _answered;
    private int _sendSlot;
    private int _answerSlot;
    private int _offset;
    private int _owed;
    private ReadOnlyMemory<byte> _unsent;

    public EchoConnection(IClientSocket socket, Load load, int index)
    {
        Socket = socket;
        _load = load;
        _sentAt = new long[load.Depth];
        _expected = new byte[load.Size];
        new Random(index).NextBytes(_expected);
        _outgoing = new byte[load.Size * load.Depth];
        for (var i = 0; i < load.Depth; i++)
        {
            _expected.CopyTo(_outgoing, i * load.Size);
        }
    }

    public IClientSocket Socket { get; }

    /// <summary>Everything that was sent has been answered.</summary>
    public bool IsQuiet => _answered == _sent;

    /// <summary>The kernel did not take everything: go on when it can.</summary>
    public bool HasUnsent => _unsent.Length > 0;

    public long Answered => _answered;

    /// <summary>Sends as many messages as may be in flight.</summary>
    public void Start()
    {
        _owed = _load.Depth;
        SendOwed(Stopwatch.GetTimestamp());
    }

    /// <summary>Receives and compares, and sends as many messages as were answered.</summary>
    /// <param name="buffer">Of the thread, so that it is warm.</param>
    /// <param name="latencies">Null while nothing is measured.</param>
    /// <param name="maySend">False at the end.</param>
    /// <exception cref="InvalidDataException">What came back is not what was sent.</exception>
    public void OnReady(byte[] buffer, Latencies? latencies, bool maySend)
    {
        var now = Stopwatch.GetTimestamp();
        do
        {
            var count = Socket.TryReceive(buffer);
            if (count == 0)
            {
                throw new InvalidDataException($"The server ended the connection after {_answered} of {_sent} messages.");
            }

            if (count > 0)
            {
                var complete = Check(buffer.AsSpan(0, count), now, latencies);
                _owed += maySend ? complete : 0;
            }
        }
        while (Socket.HasReceived);

        SendUnsent();
        SendOwed(now);
    }

    // From the buffer's start, so that messages which go together are together. What is still unsent lies there: first that, then more.
    private void SendOwed(long now)
    {
        while (_owed > 0 && !HasUnsent)
        {
            for (var i = 0; i < _owed; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(_outgoing.AsSpan(i * _load.Size, NumberLength), _sent);
                _sentAt[_sendSlot] = now;
                _sendSlot = Next(_sendSlot);
                _sent++;
            }

            _unsent = _outgoing.AsMemory(0, _owed * _load.Size);
            _owed = 0;
            SendUnsent();
        }
    }

    private void SendUnsent()
    {
        if (HasUnsent)
        {
            _unsent = _unsent[Socket.TrySend(_unsent.Span)..];
        }
    }

    /// <summary>Compares what was received; returns how many answers it completes.</summary>
    private int Check(ReadOnlySpan<byte> bytes, long now, Latencies? latencies)
    {
        var (complete, together, togetherSince) = (0, 0, 0L);
        while (bytes.Length > 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_expected, _answered);
            var part = bytes[..Math.Min(bytes.Length, _load.Size - _offset)];
            if (_answered == _sent || !part.SequenceEqual(_expected.AsSpan(_offset, part.Length)))
            {
                throw new InvalidDataException($"Message {_answered} came back changed, in the {part.Length} bytes from {_offset}.");
            }

            bytes = bytes[part.Length..];
            _offset += part.Length;
            if (_offset == _load.Size)
            {
                // Those that were sent together and came back together took the same time: one record for all.
                var sentAt = _sentAt[_answerSlot];
                if (sentAt != togetherSince)
                {
                    latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
                    (together, togetherSince) = (0, sentAt);
                }

                _answerSlot = Next(_answerSlot);
                _answered++;
                _offset = 0;
                together++;
                complete++;
            }
        }

        latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
        return complete;
    }

    private int Next(int slot) => slot + 1 == _sentAt.Length ? 0 : slot + 1;
}
