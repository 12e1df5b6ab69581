using Peregrine;

namespace Game;

/// <summary>A player's side of the wire: says hello until it is let in, and then 20 times a second where to go.</summary>
internal sealed class Client(IDatagramSocket socket, TimeProvider clock)
{
    private const int HelloEveryTicks = 10;

    // Without a state: then the server has forgotten this player, or is another one.
    private const int MostSilentTicks = 40;

    private readonly byte[] _output = new byte[Wire.HelloSize];
    private volatile Sequence _states = new();
    private volatile byte[] _cookie = [];
    private volatile Seen? _seen;
    private volatile bool _isOver;
    private volatile int _silentTicks;
    private int _direction;
    private int _isAsking;

    /// <summary>The latest state; null before the first, and when the server is silent.</summary>
    public Seen? Latest => _seen;

    public Direction Direction
    {
        set => Volatile.Write(ref _direction, (int)value);
    }

    /// <summary>Until it is cancelled, or the server says goodbye: true then.</summary>
    public async Task<bool> PlayAsync(CancellationToken cancellationToken)
    {
        socket.Start(OnDatagramsAsync, new DatagramCounters());
        using var tick = new PeriodicTimer(GameServer.Tick, clock);
        uint number = 0;
        try
        {
            for (var ticks = 0; !_isOver; ticks++)
            {
                if (_seen is not null && ++_silentTicks > MostSilentTicks)
                {
                    // Its ticks may begin anew.
                    (_states, _seen) = (new Sequence(), null);
                }

                if (_seen is not null)
                {
                    var length = Wire.WriteInput(_output, new Input(++number, _states.Latest, (Direction)Volatile.Read(ref _direction)));
                    socket.Sender.TrySend(_output.AsSpan(0, length), default);
                }
                else if (ticks % HelloEveryTicks == 0)
                {
                    Volatile.Write(ref _isAsking, 1);
                    SayHello();
                }

                await tick.WaitForNextTickAsync(cancellationToken);
            }

            return true;
        }
        catch (OperationCanceledException)
        {
            socket.Sender.TrySend([(byte)Kind.Goodbye], default);
            return false;
        }
    }

    private void SayHello()
    {
        Span<byte> hello = stackalloc byte[Wire.HelloSize];
        hello[0] = (byte)Kind.Hello;
        _cookie.CopyTo(hello[1..]);
        socket.Sender.TrySend(hello, default);
    }

    private ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (var datagram in batch)
        {
            var bytes = datagram.Payload.Span;
            switch (Wire.KindOf(bytes))
            {
                // Once for each hello: whoever forges challenges does not get more sent to the server.
                case Kind.Challenge when bytes.Length == Wire.ChallengeSize && Interlocked.Exchange(ref _isAsking, 0) == 1:
                    _cookie = bytes[1..].ToArray();
                    SayHello();
                    break;
                case Kind.State when Wire.TryReadState(bytes, out var state, out var own) && _states.TryAdvance(state.Tick):
                    _silentTicks = 0;
                    _seen = new Seen(state, own, _states.LostInPercent);
                    break;
                case Kind.Goodbye:
                    _isOver = true;
                    break;
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>What a player sees.</summary>
    internal sealed record Seen(WorldState World, OwnState Own, byte StatesLostInPercent);
}
