using System.Buffers.Binary;
using System.Diagnostics;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// One thread that sends messages, and receives each at all receivers. It is a closed loop: a message goes when all receivers have the one that is a window before it, so that nobody
/// is slow. All receive the same bytes, those that were sent, which lie in a ring: a receiver is its place in it, and every byte is compared.
/// </summary>
internal sealed class BroadcastLoop : IDisposable
{
    private const int BufferSize = 256 * 1024;
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly Epoll _epoll = new();
    private readonly Load _load;
    private readonly NativeSocket _sender;
    private readonly List<NativeSocket> _receivers = [];
    private readonly byte[] _buffer = new byte[BufferSize];

    // Of each receiver: how many bytes it has received.
    private readonly long[] _received;

    // Of each message in flight, by its number modulo the window: its bytes, when it was sent, and how many receivers do not have it.
    private readonly byte[] _ring;
    private readonly long[] _sentAt;
    private readonly int[] _missing;
    private long _sent;
    private long _complete;

    public BroadcastLoop(Load load, Target target)
    {
        _load = load;
        _received = new long[load.Connections];
        _ring = new byte[load.Depth * load.Size];
        _sentAt = new long[load.Depth];
        _missing = new int[load.Depth];
        var sources = new SourceAddresses();
        _sender = Enter(target, sources.Next());
        for (var i = 0; i < load.Connections; i++)
        {
            _receivers.Add(Enter(target, sources.Next()));
            _epoll.Add(_receivers[i], i);
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

    /// <summary>Drives until the window says that it is enough and the last message is with everybody.</summary>
    public void Run(MeasuringWindow window)
    {
        Send(Stopwatch.GetTimestamp());
        var heard = Stopwatch.GetTimestamp();
        while (!window.Enough || _complete < _sent)
        {
            var ready = _epoll.Wait(WaitAtMost);
            var now = Stopwatch.GetTimestamp();
            for (var i = 0; i < ready; i++)
            {
                Receive(_epoll[i], now, window.IsOpen ? Latencies : null);
            }

            if (!window.Enough)
            {
                Send(now);
            }

            if (ready > 0)
            {
                heard = now;
            }
            else if (Stopwatch.GetElapsedTime(heard, now) > SilenceLimit)
            {
                throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, and {_sent - _complete} messages are not with all receivers.");
            }
        }

        End();
    }

    public void Dispose()
    {
        _sender.Close();
        _receivers.ForEach(receiver => receiver.Close());
        _epoll.Dispose();
    }

    /// <summary>A connection that is among the receivers.</summary>
    private static NativeSocket Enter(Target target, uint source)
    {
        var socket = NativeSocket.Connect(source, target.Port).WithOptions();
        Span<byte> welcome = stackalloc byte[BroadcastHandler.HeaderLength];
        return socket.Receive(welcome) == welcome.Length ? socket : throw new InvalidDataException("The server ended a connection without a word.");
    }

    /// <summary>As many messages as may be in flight.</summary>
    private void Send(long now)
    {
        while (_sent < _complete + _load.Depth)
        {
            // As far as the ring's end: what goes together is in one piece.
            var slot = (int)(_sent % _load.Depth);
            var count = (int)Math.Min(_complete + _load.Depth - _sent, _load.Depth - slot);
            for (var i = slot; i < slot + count; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(_ring.AsSpan((i * _load.Size) + BroadcastHandler.HeaderLength), _sent++);
                (_sentAt[i], _missing[i]) = (now, _load.Connections);
            }

            var bytes = _ring.AsSpan(slot * _load.Size, count * _load.Size);
            if (_sender.TrySend(bytes) != bytes.Length)
            {
                throw new InvalidDataException("The server does not read what little there is.");
            }
        }
    }

    private void Receive(int receiver, long now, Latencies? latencies)
    {
        var count = _receivers[receiver].TryReceive(_buffer);
        if (count == 0)
        {
            throw new InvalidDataException($"The server ended the connection of receiver {receiver}.");
        }

        var bytes = _buffer.AsSpan(0, Math.Max(count, 0));
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

        Count(from / _load.Size, _received[receiver] / _load.Size, now, latencies);
    }

    /// <summary>A receiver has these messages, up to the second and without it.</summary>
    private void Count(long first, long end, long now, Latencies? latencies)
    {
        for (var i = first; i < end;)
        {
            // Those that went together took the same time: one record for all.
            var sentAt = _sentAt[i % _load.Depth];
            var together = i;
            for (; i < end && _sentAt[i % _load.Depth] == sentAt; i++)
            {
                _missing[i % _load.Depth]--;
            }

            latencies?.Record(Stopwatch.GetElapsedTime(sentAt, now), (int)(i - together));
        }

        while (_complete < _sent && _missing[_complete % _load.Depth] == 0)
        {
            _complete++;
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
