using System.Buffers.Binary;
using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// One thread that drives its share of the clients, each with an address of its own, all by one socket: so what several of them receive and send goes with one call, and the client
/// spends less on a datagram than the server does. Phases follow each other; between them nothing is in flight.
/// </summary>
internal sealed class DatagramEchoLoop : IDisposable
{
    private const int MostTogether = 64;
    private const int ReceiveBuffer = 4 << 20;

    // The largest datagram, which is the largest piece too; and some lines of the cache more, or all pieces would begin in the same few of its sets.
    private const int RoomForPiece = 65_536 + 1_088;

    // Time for a train to come together that a server answers one by one. Short enough that the fastest server, with what else is in flight, never waits for it.
    private static readonly TimeSpan ReceiveInterval = TimeSpan.FromMicroseconds(30);
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(50);

    // Longer than any answer takes; short, so that what is lost does not hold its client up for a whole round.
    private static readonly TimeSpan LostAfter = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly DatagramSocket _socket = DatagramSocket.OfManyAddresses().WithReceiveTimeout(WaitAtMost);
    private readonly DatagramEchoPeer[] _peers;
    private readonly DatagramVector _incoming;
    private readonly IOutgoingDatagrams _outgoing;
    private readonly Func<int> _look;
    private readonly Func<int> _wait;
    private readonly Polling _polling;

    /// <param name="load">The load, of all loops.</param>
    /// <param name="port">The server's.</param>
    /// <param name="peers">How many of its clients this one drives.</param>
    /// <param name="inTrains">Whether the kernel takes and gives what belongs together in one piece, or each datagram by itself.</param>
    public DatagramEchoLoop(Load load, int port, int peers, bool inTrains)
    {
        _peers = [.. Enumerable.Range(0, peers).Select(index => new DatagramEchoPeer(load, index))];
        _socket.AskForReceiveBuffer(ReceiveBuffer);
        _polling = new Polling(inTrains ? ReceiveInterval : TimeSpan.Zero);
        if (inTrains)
        {
            _socket = _socket.WithSegmentation().WithCoalescing();
            _outgoing = new DatagramTrains(_socket, port, peers, load);
            _incoming = new DatagramVector(MostTogether, RoomForPiece);
        }
        else
        {
            // One byte more: an answer that is too long is seen as that.
            _outgoing = new SeparateDatagrams(_socket, port, MostTogether, load.Size);
            _incoming = new DatagramVector(MostTogether, load.Size + 1);
        }

        (_look, _wait) = (() => _socket.TryReceive(_incoming), () => _socket.Receive(_incoming));
    }

    public Latencies Latencies { get; } = new();

    public long Answered => _peers.Sum(peer => peer.Answered);

    /// <summary>How often a datagram was sent again.</summary>
    public long Resent => _peers.Sum(peer => peer.Resent);

    /// <summary>The time in which nothing came, while measured.</summary>
    public TimeSpan Idle => _polling.Idle;

    /// <summary>Drives until the window says that it is enough and the last answer is here.</summary>
    public void Run(MeasuringWindow window)
    {
        var heard = Stopwatch.GetTimestamp();
        var looked = heard;
        Start(heard);
        while (!window.Enough || !Array.TrueForAll(_peers, peer => peer.IsQuiet))
        {
            var count = _polling.Next(_look, _wait, window.IsOpen);
            var now = Stopwatch.GetTimestamp();
            OnReceived(count, now, window.IsOpen ? Latencies : null, !window.Enough);
            heard = count > 0 ? now : heard;
            if (Stopwatch.GetElapsedTime(looked, now) > WaitAtMost)
            {
                looked = now;
                ResendLost(now);
                if (Stopwatch.GetElapsedTime(heard, now) > SilenceLimit)
                {
                    throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, with answers outstanding.");
                }
            }
        }
    }

    public void Dispose()
    {
        _socket.Close();
        _incoming.Dispose();
        _outgoing.Dispose();
    }

    // Client by client: what one of them has in flight goes together, as it does where each is a program of its own.
    private void Start(long now)
    {
        for (var peer = 0; peer < _peers.Length; peer++)
        {
            for (var slot = 0; slot < _peers[peer].Depth; slot++)
            {
                SendNext(peer, slot, now);
            }
        }

        _outgoing.Send();
    }

    private void OnReceived(int count, long now, Latencies? latencies, bool maySend)
    {
        var (together, togetherSince) = (0, 0L);
        for (var i = 0; i < count; i++)
        {
            var peer = (int)(BinaryPrimitives.ReverseEndianness(_incoming.Destination(i)) - SourceAddresses.Loopback);
            if ((uint)peer >= (uint)_peers.Length)
            {
                throw new InvalidDataException("A datagram came to an address that sent none.");
            }

            var piece = _incoming.Received(i);
            var size = _incoming.SegmentSize(i);
            do
            {
                var answer = piece[..Math.Min(size, piece.Length)];
                piece = piece[answer.Length..];
                if (_peers[peer].TryTake(answer) is not var (slot, since))
                {
                    continue;
                }

                // Those that were sent together and came back together took the same time: one record for all.
                if (since != togetherSince)
                {
                    latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
                    (together, togetherSince) = (0, since);
                }

                together++;
                if (maySend)
                {
                    SendNext(peer, slot, now);
                }
            }
            while (piece.Length > 0);
        }

        latencies?.Record(Stopwatch.GetElapsedTime(togetherSince, now), together);
        _outgoing.Send();
    }

    private void ResendLost(long now)
    {
        for (var peer = 0; peer < _peers.Length; peer++)
        {
            for (var slot = 0; slot < _peers[peer].Depth; slot++)
            {
                if (_peers[peer].IsLost(slot, now, LostAfter))
                {
                    _peers[peer].WriteAgain(slot, _outgoing.Next(peer), now);
                }
            }
        }

        _outgoing.Send();
    }

    private void SendNext(int peer, int slot, long now) => _peers[peer].WriteNext(slot, _outgoing.Next(peer), now);
}
