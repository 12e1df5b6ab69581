namespace Game;

/// <summary>The field, its players and its coins: the server's truth, of which clients see copies. Safe from any thread.</summary>
internal sealed class World(Random random)
{
    public const int Width = 60;
    public const int Height = 18;
    public const int MostPlayers = 64;
    private const int Coins = 12;

    private readonly Lock _lock = new();
    private readonly Dictionary<byte, Player> _players = [];
    private readonly List<Cell> _coins = [.. Enumerable.Range(0, Coins).Select(_ => Somewhere(random))];
    private uint _tick;

    /// <summary>Null if the field is full.</summary>
    public byte? Join()
    {
        lock (_lock)
        {
            for (byte id = 1; id <= MostPlayers; id++)
            {
                if (_players.TryAdd(id, new Player(Somewhere(random))))
                {
                    return id;
                }
            }

            return null;
        }
    }

    public void Leave(byte id)
    {
        lock (_lock)
        {
            _players.Remove(id);
        }
    }

    /// <summary>Takes effect at the next tick; of several before it, the last one.</summary>
    public void Steer(byte id, Direction direction)
    {
        lock (_lock)
        {
            if (_players.TryGetValue(id, out var player))
            {
                player.Direction = direction;
            }
        }
    }

    /// <summary>Moves everybody by one cell.</summary>
    public WorldState Step()
    {
        lock (_lock)
        {
            _tick++;
            foreach (var player in _players.Values)
            {
                player.Move();
                var coin = _coins.IndexOf(player.Cell);
                if (coin >= 0)
                {
                    player.Score++;
                    _coins[coin] = Somewhere(random);
                }
            }

            return new WorldState(
                _tick, [.. _players.Select(static player => new PlayerState(player.Key, player.Value.Cell, player.Value.Score))], [.. _coins]);
        }
    }

    private static Cell Somewhere(Random random) => new((byte)random.Next(Width), (byte)random.Next(Height));

    private sealed class Player(Cell cell)
    {
        public Cell Cell { get; private set; } = cell;

        public Direction Direction { get; set; }

        public ushort Score { get; set; }

        public void Move() => Cell = Direction switch
        {
            Direction.Up => Cell with { Y = (byte)Math.Max(0, Cell.Y - 1) },
            Direction.Down => Cell with { Y = (byte)Math.Min(Height - 1, Cell.Y + 1) },
            Direction.Left => Cell with { X = (byte)Math.Max(0, Cell.X - 1) },
            Direction.Right => Cell with { X = (byte)Math.Min(Width - 1, Cell.X + 1) },
            _ => Cell,
        };
    }
}

/// <summary>Where a player goes on.</summary>
internal enum Direction : byte
{
    None,
    Up,
    Down,
    Left,
    Right,
}

/// <summary>A place on the field.</summary>
internal readonly record struct Cell(byte X, byte Y);

/// <summary>A player as all see it.</summary>
internal readonly record struct PlayerState(byte Id, Cell Cell, ushort Score);

/// <summary>All that there is at a tick.</summary>
internal sealed record WorldState(uint Tick, IReadOnlyList<PlayerState> Players, IReadOnlyList<Cell> Coins);
