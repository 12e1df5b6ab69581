using Peregrine;

namespace Game;

/// <summary>A player's side of the wire: says hello until it is let in, and then 20 times a second where to go.</summary>
internal sealed class Client(IDatagramSocket socket, TimeProvider clock)
{
    private const int HelloEveryTicks = 10;

    private readonly Sequence _states = new();
    private readonly byte[] _output = new byte[Wire.HelloSize];
    private volatile byte[] _cookie = [];
    private volatile Seen? _seen;
    private volatile bool _isOver;
    private int _direction;

    /// <summary>The latest state; null before the first.</summary>
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
                if (_seen is not null)
                {
                    var length = Wire.WriteInput(_output, new Input(++number, _states.Latest, (Direction)Volatile.Read(ref _direction)));
                    socket.Sender.TrySend(_output.AsSpan(0, length), default);
                }
                else if (ticks % HelloEveryTicks == 0)
                {
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
                case Kind.Challenge when bytes.Length < Wire.HelloSize:
                    _cookie = bytes[1..].ToArray();
                    SayHello();
                    break;
                case Kind.State when Wire.TryReadState(bytes, out var state, out var own) && _states.TryAdvance(state.Tick):
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
