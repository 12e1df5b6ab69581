using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>One thread that drives its share of the clients. Phases follow each other; between them nothing is in flight.</summary>
internal sealed class DatagramEchoLoop : IDisposable
{
    private const int MostTogether = 64;
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(50);

    // Longer than any answer takes; short, so that what is lost does not hold its client up for a whole round.
    private static readonly TimeSpan LostAfter = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly Epoll _epoll = new();
    private readonly List<DatagramEchoPeer> _peers = [];
    private readonly Polling _polling = new();
    private DatagramVector? _incoming;

    public Latencies Latencies { get; } = new();

    public long Answered => _peers.Sum(peer => peer.Answered);

    /// <summary>The time in which nothing came, while measured.</summary>
    public TimeSpan Idle => _polling.Idle;

    public long Resent => _peers.Sum(peer => peer.Resent);

    public void Connect(Load load, int port, int index)
    {
        // One byte more: an answer that is too long is seen as that.
        _incoming ??= new DatagramVector(MostTogether, load.Size + 1);
        var peer = new DatagramEchoPeer(load, port, index);
        _epoll.Add(peer.Descriptor, _peers.Count);
        _peers.Add(peer);
    }

    /// <summary>Drives until the window says that it is enough and the last answer is here.</summary>
    public void Run(MeasuringWindow window)
    {
        _peers.ForEach(peer => peer.Start());
        var (heard, looked) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp());
        while (!window.Enough || !_peers.TrueForAll(peer => peer.IsQuiet))
        {
            var ready = _polling.Next(() => _epoll.Wait(TimeSpan.Zero), () => _epoll.Wait(WaitAtMost), window.IsOpen);
            for (var i = 0; i < ready; i++)
            {
                _peers[_epoll[i]].OnReady(_incoming!, window.IsOpen ? Latencies : null, !window.Enough);
            }

            var now = Stopwatch.GetTimestamp();
            heard = ready > 0 ? now : heard;
            if (Stopwatch.GetElapsedTime(looked, now) > WaitAtMost)
            {
                looked = now;
                _peers.ForEach(peer => peer.ResendLost(LostAfter));
                if (Stopwatch.GetElapsedTime(heard, now) > SilenceLimit)
                {
                    throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, with answers outstanding.");
                }
            }
        }
    }

    public void Dispose()
    {
        _peers.ForEach(peer => peer.Dispose());
        _incoming?.Dispose();
        _epoll.Dispose();
    }
}
