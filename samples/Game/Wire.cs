using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Peregrine.Middleware;

namespace Game;

/// <summary>What goes over the wire: each datagram a kind (one byte) and what belongs to it, in network order.</summary>
/// <remarks>
/// <code>
/// Hello      client  cookie, zeros up to 64 bytes: so a challenge, which goes to an address that may be forged, is smaller than what asks for it
/// Challenge  server  cookie
/// Input      client  number (4), latest tick seen (4), direction (1)
/// State      server  tick (4), latest input seen (4), inputs lost (1, percent), own id (1), players (1), each id (1) x (1) y (1) score (2), coins (1), each x (1) y (1)
/// Goodbye    both
/// </code>
/// Nothing is encrypted: who knows the address and port of a player can forge what it sends. A game that is played for more than fun authenticates its datagrams.
/// </remarks>
internal static class Wire
{
    public const int HelloSize = 64;
    public const int ChallengeSize = 1 + DatagramCookies.SizeInBytes;
    public const int MostStateSize = 13 + (World.MostPlayers * PlayerSize) + byte.MaxValue * CellSize;
    private const int InputSize = 10;
    private const int PlayerSize = 5;
    private const int CellSize = 2;
    private const int StateHeader = 12;

    /// <summary><see cref="Kind.None"/> if it is empty or not known.</summary>
    public static Kind KindOf(ReadOnlySpan<byte> datagram) =>
        datagram is [var kind, ..] && kind is > 0 and <= (byte)Kind.Goodbye ? (Kind)kind : Kind.None;

    public static int WriteInput(Span<byte> output, Input input)
    {
        output[0] = (byte)Kind.Input;
        BinaryPrimitives.WriteUInt32BigEndian(output[1..], input.Number);
        BinaryPrimitives.WriteUInt32BigEndian(output[5..], input.LatestTick);
        output[9] = (byte)input.Direction;
        return InputSize;
    }

    public static bool TryReadInput(ReadOnlySpan<byte> datagram, out Input input)
    {
        input = default;
        if (datagram.Length != InputSize || datagram[9] > (byte)Direction.Right)
        {
            return false;
        }

        input = new Input(BinaryPrimitives.ReadUInt32BigEndian(datagram[1..]), BinaryPrimitives.ReadUInt32BigEndian(datagram[5..]), (Direction)datagram[9]);
        return true;
    }

    /// <param name="output">Of <see cref="MostStateSize"/>.</param>
    /// <param name="state">What all get.</param>
    /// <param name="own">What only this one gets.</param>
    public static int WriteState(Span<byte> output, WorldState state, OwnState own)
    {
        output[0] = (byte)Kind.State;
        BinaryPrimitives.WriteUInt32BigEndian(output[1..], state.Tick);
        BinaryPrimitives.WriteUInt32BigEndian(output[5..], own.LatestInput);
        output[9] = own.InputsLostInPercent;
        output[10] = own.Id;
        output[11] = (byte)state.Players.Count;
        var at = StateHeader;
        foreach (var (id, cell, score) in state.Players)
        {
            (output[at], output[at + 1], output[at + 2]) = (id, cell.X, cell.Y);
            BinaryPrimitives.WriteUInt16BigEndian(output[(at + 3)..], score);
            at += PlayerSize;
        }

        output[at++] = (byte)state.Coins.Count;
        foreach (var (x, y) in state.Coins)
        {
            (output[at], output[at + 1]) = (x, y);
            at += CellSize;
        }

        return at;
    }

    public static bool TryReadState(ReadOnlySpan<byte> datagram, [NotNullWhen(true)] out WorldState? state, out OwnState own)
    {
        (state, own) = (null, default);
        if (datagram.Length <= StateHeader || datagram.Length <= StateHeader + (datagram[11] * PlayerSize))
        {
            return false;
        }

        var players = new PlayerState[datagram[11]];
        for (var i = 0; i < players.Length; i++)
        {
            var player = datagram[(StateHeader + (i * PlayerSize))..];
            players[i] = new PlayerState(player[0], new Cell(player[1], player[2]), BinaryPrimitives.ReadUInt16BigEndian(player[3..]));
        }

        var rest = datagram[(StateHeader + (players.Length * PlayerSize))..];
        if (rest.Length != 1 + (rest[0] * CellSize))
        {
            return false;
        }

        var coins = new Cell[rest[0]];
        for (var i = 0; i < coins.Length; i++)
        {
            coins[i] = new Cell(rest[1 + (i * CellSize)], rest[2 + (i * CellSize)]);
        }

        own = new OwnState(datagram[10], BinaryPrimitives.ReadUInt32BigEndian(datagram[5..]), datagram[9]);
        state = new WorldState(BinaryPrimitives.ReadUInt32BigEndian(datagram[1..]), players, coins);
        return true;
    }
}

/// <summary>The first byte of a datagram.</summary>
internal enum Kind : byte
{
    None,
    Hello,
    Challenge,
    Input,
    State,
    Goodbye,
}

/// <summary>What a client wants.</summary>
/// <param name="Number">Counted from 1 on; what is older than the latest one is passed over.</param>
/// <param name="LatestTick">What it has seen, so that the server knows how much is lost on the way to it.</param>
/// <param name="Direction">Where to go.</param>
internal readonly record struct Input(uint Number, uint LatestTick, Direction Direction);

/// <summary>What a client learns about itself.</summary>
internal readonly record struct OwnState(byte Id, uint LatestInput, byte InputsLostInPercent);
