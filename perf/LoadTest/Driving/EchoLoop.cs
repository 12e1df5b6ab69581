using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>One thread that drives its share of the connections. Phases follow each other; between them nothing is in flight.</summary>
internal sealed class EchoLoop : IDisposable
{
    private const int BufferSize = 256 * 1024;
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly Epoll _epoll = new();
    private readonly List<EchoConnection> _connections = [];
    private readonly HashSet<int> _withUnsent = [];
    private readonly byte[] _buffer = new byte[BufferSize];

    public Latencies Latencies { get; } = new();

    public long Answered => _connections.Sum(connection => connection.Answered);

    public void Connect(Load load, Target target, uint source, int index)
    {
        var socket = target.Connect(source);
        var number = _connections.Count;
        _connections.Add(new EchoConnection(socket, load, index));
        while (!socket.TryHandshake())
        {
            socket.Descriptor.WaitUntilReadable();
        }

        _epoll.Add(socket.Descriptor, number);
    }

    /// <summary>Drives until the window says that it is enough and the last answer is here.</summary>
    public void Run(MeasuringWindow window)
    {
        for (var i = 0; i < _connections.Count; i++)
        {
            _connections[i].Start();
            WatchUnsent(i);
        }

        var heard = Stopwatch.GetTimestamp();
        while (!window.Enough || !_connections.TrueForAll(connection => connection.IsQuiet))
        {
            var ready = _epoll.Wait(WaitAtMost);
            for (var i = 0; i < ready; i++)
            {
                var number = _epoll[i];
                _connections[number].OnReady(_buffer, window.IsOpen ? Latencies : null, !window.Enough);
                WatchUnsent(number);
            }

            if (ready > 0)
            {
                heard = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(heard) > SilenceLimit)
            {
                throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, with answers outstanding.");
            }
        }
    }

    /// <summary>FIN on every connection, and nothing but FIN comes back.</summary>
    public void End()
    {
        _connections.ForEach(connection => connection.Socket.ShutdownSend());
        foreach (var connection in _connections)
        {
            if (connection.Socket.ReceiveMore())
            {
                throw new InvalidDataException("The server sent more than it received.");
            }
        }
    }

    public void Dispose()
    {
        _connections.ForEach(connection => connection.Socket.Close());
        _epoll.Dispose();
    }

    private void WatchUnsent(int number)
    {
        var connection = _connections[number];
        if (connection.HasUnsent ? _withUnsent.Add(number) : _withUnsent.Count > 0 && _withUnsent.Remove(number))
        {
            _epoll.Watch(connection.Socket.Descriptor, number, connection.HasUnsent);
        }
    }
}
