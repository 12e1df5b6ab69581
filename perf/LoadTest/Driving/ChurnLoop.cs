using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// One thread with a fixed number of connections at once; each that has ended is followed by a new one. After the echo the client sends FIN and
/// waits for the server's, so that TIME_WAIT is the client's and nothing is reset.
/// </summary>
internal sealed class ChurnLoop : IDisposable
{
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly Target _target;
    private readonly Epoll _epoll = new();
    private readonly SourceAddresses _sources = new();
    private readonly Slot[] _slots;
    private readonly byte[] _message;
    private readonly byte[] _buffer;
    private int _open;

    public ChurnLoop(Load load, Target target)
    {
        _target = target;
        _slots = new Slot[load.Connections];
        _message = new byte[load.Size];
        _buffer = new byte[load.Size + 1];
        new Random(load.Size).NextBytes(_message);
    }

    /// <summary>From before the connect until the server's FIN.</summary>
    public Latencies Latencies { get; } = new();

    /// <summary>How many of those had an abbreviated handshake.</summary>
    public long Resumed { get; private set; }

    public void Run(MeasuringWindow window)
    {
        for (var i = 0; i < _slots.Length; i++)
        {
            Open(i);
        }

        var heard = Stopwatch.GetTimestamp();
        while (_open > 0)
        {
            var ready = _epoll.Wait(WaitAtMost);
            for (var i = 0; i < ready; i++)
            {
                OnReady(_epoll[i], window);
            }

            if (ready > 0)
            {
                heard = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(heard) > SilenceLimit)
            {
                throw new InvalidDataException($"{_open} connections wait for the server, which did nothing for {SilenceLimit.TotalSeconds} s.");
            }
        }
    }

    public void Dispose()
    {
        foreach (var slot in _slots.Where(slot => slot.IsOpen))
        {
            slot.Socket.Close();
        }

        _epoll.Dispose();
    }

    private void Open(int number)
    {
        var started = Stopwatch.GetTimestamp();
        var socket = _target.ConnectForOneMessage(_sources.Next());
        _slots[number] = new Slot(socket, started) { IsOpen = true };
        _open++;
        Ask(ref _slots[number]);
        _epoll.Add(socket.Descriptor, number);
    }

    private void Ask(ref Slot slot)
    {
        slot.HasAsked = slot.Socket.TryHandshake();
        if (slot.HasAsked && slot.Socket.TrySend(_message) != _message.Length)
        {
            throw new InvalidDataException("A new connection did not take one message.");
        }
    }

    private void OnReady(int number, MeasuringWindow window)
    {
        ref var slot = ref _slots[number];
        if (!slot.HasAsked)
        {
            Ask(ref slot);
            return;
        }

        var count = slot.Socket.TryReceive(_buffer);
        if (count == 0 && slot.Received == _message.Length)
        {
            Close(ref slot, window);
            if (!window.Enough)
            {
                Open(number);
            }

            return;
        }

        if (count >= 0 && (count == 0 || !_message.AsSpan(slot.Received).StartsWith(_buffer.AsSpan(0, count))))
        {
            throw new InvalidDataException($"The echo came back changed or short, {slot.Received + count} bytes of {_message.Length}.");
        }

        slot.Received += Math.Max(count, 0);
        if (count > 0 && slot.Received == _message.Length)
        {
            slot.Socket.ShutdownSend();
        }
    }

    private void Close(ref Slot slot, MeasuringWindow window)
    {
        if (window.IsOpen)
        {
            Latencies.Record(Stopwatch.GetElapsedTime(slot.Started));
            Resumed += slot.Socket is TlsSocket { IsResumed: true } ? 1 : 0;
        }

        slot.Socket.Close();
        slot.IsOpen = false;
        _open--;
    }

    private struct Slot(IClientSocket socket, long started)
    {
        public readonly IClientSocket Socket = socket;
        public readonly long Started = started;
        public bool HasAsked;
        public int Received;
        public bool IsOpen;
    }
}
