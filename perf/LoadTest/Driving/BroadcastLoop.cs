using System.Buffers.Binary;
using System.Diagnostics;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// One thread that sends messages, and receives each at all receivers. It is a closed loop: a message goes when all receivers have the one that is a window before it, so that nobody
/// is slow. All receive the same bytes, those that were sent, which lie in a ring: a receiver is its place in it, and every byte is compared.
/// </summary>
/// <remarks>
/// The receivers have their turns, without epoll: all of them get every message. What a set of descriptors costs with each message that arrives, and the waking of a
/// thread that waits for it, the sender of the message pays over loopback, and that is the server; receivers behind a network cost it neither.
/// </remarks>
internal sealed class BroadcastLoop : IDisposable
{
    private const int BufferSize = 256 * 1024;
    private const int PauseBetween = 10;
    private const int LongestStep = 64;

    // Behind a lap that brought nothing.
    private static readonly long s_pauseInTicks = (long)(20e-6 * Stopwatch.Frequency);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly Load _load;
    private readonly NativeSocket _sender;
    private readonly List<NativeSocket> _receivers = [];
    private readonly byte[] _buffer = new byte[BufferSize];

    // Of each receiver: how many bytes it has received.
    private readonly long[] _received;

    // Of each message in flight, by its number modulo the window: its bytes, and when it was sent.
    private readonly byte[] _ring;
    private readonly long[] _sentAt;

    // How many receivers have so many messages, by that number modulo the window and one more: none has fewer than all have.
    private readonly int[] _receiversAt;
    private long _sent;
    private long _complete;
    private long _idle;

    public BroadcastLoop(Load load, Target target)
    {
        _load = load;
        _received = new long[load.Connections];
        _ring = new byte[load.Depth * load.Size];
        _sentAt = new long[load.Depth];
        _receiversAt = new int[load.Depth + 1];
        _receiversAt[0] = load.Connections;
        var sources = new SourceAddresses();
        _sender = Enter(target, sources.Next());
        for (var i = 0; i < load.Connections; i++)
        {
            _receivers.Add(Enter(target, sources.Next()));
        }

        var random = new Random(load.Size);
        for (var i = 0; i < load.Depth; i++)
        {
            var message = _ring.AsSpan(i * load.Size, load.Size);
            random.NextBytes(message);
            BinaryPrimitives.WriteInt32BigEndian(message, load.Size);
        }
    }

    public Latencies Latencies { get; } = new();

    /// <summary>The time in which there was nothing to receive, while measured: CPU time that the load did not need.</summary>
    public TimeSpan Idle => Stopwatch.GetElapsedTime(0, _idle);

    /// <summary>Drives until the window says that it is enough and the last message is with everybody.</summary>
    public void Run(MeasuringWindow window)
    {
        Send();
        var heard = Stopwatch.GetTimestamp();
        while (!window.Enough || _complete < _sent)
        {
            if (TryLap(window))
            {
                heard = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(heard) > SilenceLimit)
            {
                throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, and {_sent - _complete} messages are not with all receivers.");
            }
            else
            {
                Pause(window.IsOpen);
            }
        }

        End();
    }

    public void Dispose()
    {
        _sender.Close();
        _receivers.ForEach(receiver => receiver.Close());
    }

    /// <summary>A connection that is among the receivers.</summary>
    private static NativeSocket Enter(Target target, uint source)
    {
        var socket = NativeSocket.Connect(source, target.Port).WithOptions();
        Span<byte> welcome = stackalloc byte[BroadcastHandler.HeaderLength];
        return socket.Receive(welcome) == welcome.Length ? socket : throw new InvalidDataException("The server ended a connection without a word.");
    }

    /// <summary>Once through the receivers. False if there was nothing.</summary>
    private bool TryLap(MeasuringWindow window)
    {
        var found = false;
        for (int i = 0, step = 1; i < _receivers.Count; i += step)
        {
            if (_received[i] == _sent * _load.Size)
            {
                step = 1;
            }
            else if (TryReceive(i, window.IsOpen ? Latencies : null))
            {
                (found, step) = (true, 1);
                if (!window.Enough)
                {
                    Send();
                }
            }
            else
            {
                // The server is elsewhere: its order is its own.
                step = Math.Min(2 * step, LongestStep);
            }
        }

        return found;
    }

    private void Pause(bool isMeasured)
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetTimestamp() - started < s_pauseInTicks)
        {
            Thread.SpinWait(PauseBetween);
        }

        // Not more than that: whoever else had the core meanwhile is no part of this.
        _idle += isMeasured ? s_pauseInTicks : 0;
    }

    /// <summary>As many messages as may be in flight.</summary>
    private void Send()
    {
        while (_sent < _complete + _load.Depth)
        {
            var now = Stopwatch.GetTimestamp();

            // As far as the ring's end: what goes together is in one piece.
            var slot = (int)(_sent % _load.Depth);
            var count = (int)Math.Min(_complete + _load.Depth - _sent, _load.Depth - slot);
            for (var i = slot; i < slot + count; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(_ring.AsSpan((i * _load.Size) + BroadcastHandler.HeaderLength), _sent++);
                _sentAt[i] = now;
            }

            var bytes = _ring.AsSpan(slot * _load.Size, count * _load.Size);
            if (_sender.TrySend(bytes) != bytes.Length)
            {
                throw new InvalidDataException("The server does not read what little there is.");
            }
        }
    }

    private bool TryReceive(int receiver, Latencies? latencies)
    {
        var count = _receivers[receiver].TryReceive(_buffer);
        if (count <= 0)
        {
            return count < 0 ? false : throw new InvalidDataException($"The server ended the connection of receiver {receiver}.");
        }

        var bytes = _buffer.AsSpan(0, count);
        var from = _received[receiver];
        if (from + bytes.Length > _sent * _load.Size)
        {
            throw new InvalidDataException("A receiver got more than was sent.");
        }

        _received[receiver] += bytes.Length;
        while (bytes.Length > 0)
        {
            var place = (int)((_received[receiver] - bytes.Length) % _ring.Length);
            var part = bytes[..Math.Min(bytes.Length, _ring.Length - place)];
            if (!part.SequenceEqual(_ring.AsSpan(place, part.Length)))
            {
                throw new InvalidDataException($"Receiver {receiver} did not get what was sent: message {from / _load.Size} or one of the next is changed, missing, or not in its order.");
            }

            bytes = bytes[part.Length..];
        }

        Count(from / _load.Size, _received[receiver] / _load.Size, latencies);
        return true;
    }

    /// <summary>A receiver has these messages, up to the second and without it.</summary>
    private void Count(long first, long end, Latencies? latencies)
    {
        _receiversAt[first % _receiversAt.Length]--;
        _receiversAt[end % _receiversAt.Length]++;
        while (_complete < _sent && _receiversAt[_complete % _receiversAt.Length] == 0)
        {
            _complete++;
        }

        if (latencies is null)
        {
            return;
        }

        // Those that went together took the same time: one record for all.
        var now = Stopwatch.GetTimestamp();
        for (var slot = (int)(first % _load.Depth); first < end;)
        {
            var sentAt = _sentAt[slot];
            var together = 0;
            for (; first < end && _sentAt[slot] == sentAt; first++, together++)
            {
                slot = slot + 1 < _load.Depth ? slot + 1 : 0;
            }

            latencies.Record(Stopwatch.GetElapsedTime(sentAt, now), together);
        }
    }

    /// <summary>FIN on every connection, and nothing but FIN comes back.</summary>
    private void End()
    {
        _sender.ShutdownSend();
        _receivers.ForEach(receiver => receiver.ShutdownSend());
        if (_sender.ReceiveMore() || _receivers.Exists(receiver => receiver.ReceiveMore()))
        {
            throw new InvalidDataException("The server sent more than it received.");
        }
    }
}
