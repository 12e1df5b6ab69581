using System.Buffers.Binary;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

public sealed class GameTests
{
    private const string AnyPort = "--Peregrine:Endpoints:game:Url=udp://127.0.0.1:0";
    private const byte Hello = 1;
    private const byte Challenge = 2;
    private const byte Input = 3;
    private const byte State = 4;
    private const byte Goodbye = 5;
    private const int HelloSize = 64;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_player_is_let_in_by_a_cookie_moves_and_learns_of_what_is_lost_and_of_the_end()
    {
        await using var server = ServerProcess.Start("samples/Game/Game", [AnyPort]);
        using var limit = new CancellationTokenSource(Limit);
        using var client = new UdpClient();
        client.Connect(await server.WhenReceiving);
        var state = await JoinAsync(client, limit.Token);
        var (x, _) = OwnCell(state);

        // Every second input is lost; it goes to the side that is farther away.
        var direction = (byte)(x < 30 ? 4 : 3);
        for (uint number = 1; ; number += 2)
        {
            await client.SendAsync(InputOf(number, direction), limit.Token);
            state = await NextStateAsync(client, limit.Token);
            if (number > 40 && state[9] is > 40 and < 60 && Math.Abs(OwnCell(state).X - x) >= 5)
            {
                break;
            }
        }

        Assert.True(OwnCell(state).X > x == (direction == 4));

        // 20 a second, each with the next number.
        var tick = BinaryPrimitives.ReadUInt32BigEndian(state.AsSpan(1));
        Assert.Equal(tick + 1, BinaryPrimitives.ReadUInt32BigEndian((await NextStateAsync(client, limit.Token)).AsSpan(1)));
        server.Signal(ServerProcess.SigTerm);
        while ((await client.ReceiveAsync(limit.Token)).Buffer[0] != Goodbye)
        {
        }

        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [Fact]
    public async Task Who_leaves_makes_room_and_a_cookie_of_another_address_is_none()
    {
        await using var server = ServerProcess.Start("samples/Game/Game", [AnyPort]);
        using var limit = new CancellationTokenSource(Limit);
        using var first = new UdpClient();
        using var second = new UdpClient();
        first.Connect(await server.WhenReceiving);
        second.Connect(await server.WhenReceiving);
        await JoinAsync(first, limit.Token);

        await first.SendAsync(HelloWith([]), limit.Token);
        await second.SendAsync(HelloWith([]), limit.Token);
        var cookie = (await second.ReceiveAsync(limit.Token)).Buffer;
        Assert.Equal(Challenge, cookie[0]);
        Assert.True(cookie.Length < HelloSize);
        using var thief = new UdpClient();
        thief.Connect(await server.WhenReceiving);
        await thief.SendAsync(HelloWith(cookie[1..]), limit.Token);
        Assert.Equal(Challenge, (await thief.ReceiveAsync(limit.Token)).Buffer[0]);

        await second.SendAsync(HelloWith(cookie[1..]), limit.Token);
        while ((await NextStateAsync(first, limit.Token))[11] != 2)
        {
        }

        await second.SendAsync(new[] { Goodbye }, limit.Token);
        while ((await NextStateAsync(first, limit.Token))[11] != 1)
        {
        }
    }

    [Fact]
    public async Task A_full_field_is_told_to_who_comes_then_and_numbers_go_on_after_their_last()
    {
        const int MostPlayers = 64;
        await using var server = ServerProcess.Start("samples/Game/Game", [AnyPort]);
        using var limit = new CancellationTokenSource(Limit);
        var clients = Enumerable.Range(0, MostPlayers).Select(static _ => new UdpClient()).ToList();
        try
        {
            foreach (var client in clients)
            {
                client.Connect(await server.WhenReceiving);
                await JoinAsync(client, limit.Token);
            }

            using var late = new UdpClient();
            late.Connect(await server.WhenReceiving);
            await late.SendAsync(HelloWith([]), limit.Token);
            await late.SendAsync(HelloWith((await late.ReceiveAsync(limit.Token)).Buffer[1..]), limit.Token);
            Assert.Equal(new[] { Goodbye }, (await late.ReceiveAsync(limit.Token)).Buffer);

            // What was not read while others came was dropped by the kernel; one state is the latest soon.
            var player = clients[^1];
            await UntilInputAsync(player, uint.MaxValue - 1, limit.Token);
            var state = await UntilInputAsync(player, 2, limit.Token);
            Assert.Equal((MostPlayers, 12 + (MostPlayers * 5) + 1 + (12 * 2)), (state[11], state.Length));
        }
        finally
        {
            clients.ForEach(static client => client.Dispose());
        }
    }

    [Fact]
    public async Task Malformed_datagrams_of_every_length_are_passed_over()
    {
        await using var server = ServerProcess.Start("samples/Game/Game", [AnyPort]);
        using var limit = new CancellationTokenSource(Limit);
        using var stranger = new UdpClient();
        using var player = new UdpClient();
        stranger.Connect(await server.WhenReceiving);
        player.Connect(await server.WhenReceiving);
        await JoinAsync(player, limit.Token);
        for (var length = 0; length < 100; length++)
        {
            for (byte kind = 0; kind < 8; kind++)
            {
                var datagram = Enumerable.Repeat((byte)0xFF, length).ToArray();
                if (length > 0)
                {
                    datagram[0] = kind;
                }

                if (kind != Goodbye || length == 0)
                {
                    await player.SendAsync(datagram, limit.Token);
                }

                if (kind != Hello || length != HelloSize)
                {
                    await stranger.SendAsync(datagram, limit.Token);
                }
            }
        }

        await UntilInputAsync(player, 1, limit.Token);
        await stranger.SendAsync(HelloWith([]), limit.Token);
        Assert.Equal(Challenge, (await stranger.ReceiveAsync(limit.Token)).Buffer[0]);
        Assert.Equal(0, stranger.Available);
    }

    [Fact]
    public async Task The_client_says_how_it_is_used()
    {
        await using var wrong = ServerProcess.Start("samples/Game/Game", ["play", "nowhere"]);
        Assert.Equal(2, await wrong.WaitForExitAsync());
        Assert.StartsWith("usage: ", wrong.Output, StringComparison.Ordinal);
    }

    private static async Task<byte[]> JoinAsync(UdpClient client, CancellationToken cancellationToken)
    {
        await client.SendAsync(HelloWith([]), cancellationToken);
        var challenge = (await client.ReceiveAsync(cancellationToken)).Buffer;
        Assert.Equal(Challenge, challenge[0]);
        await client.SendAsync(HelloWith(challenge[1..]), cancellationToken);
        return await NextStateAsync(client, cancellationToken);
    }

    private static async Task<byte[]> NextStateAsync(UdpClient client, CancellationToken cancellationToken)
    {
        while (true)
        {
            var datagram = (await client.ReceiveAsync(cancellationToken)).Buffer;
            if (datagram[0] == State)
            {
                return datagram;
            }
        }
    }

    /// <summary>Sends an input until a state says that it is the latest.</summary>
    private static async Task<byte[]> UntilInputAsync(UdpClient client, uint number, CancellationToken cancellationToken)
    {
        while (true)
        {
            await client.SendAsync(InputOf(number, direction: 0), cancellationToken);
            var state = await NextStateAsync(client, cancellationToken);
            if (BinaryPrimitives.ReadUInt32BigEndian(state.AsSpan(5)) == number)
            {
                return state;
            }
        }
    }

    private static byte[] HelloWith(byte[] cookie)
    {
        var hello = new byte[HelloSize];
        hello[0] = Hello;
        cookie.CopyTo(hello, 1);
        return hello;
    }

    private static byte[] InputOf(uint number, byte direction)
    {
        var input = new byte[10];
        input[0] = Input;
        BinaryPrimitives.WriteUInt32BigEndian(input.AsSpan(1), number);
        input[9] = direction;
        return input;
    }

    private static (byte X, byte Y) OwnCell(byte[] state)
    {
        for (var at = 12; at < 12 + (state[11] * 5); at += 5)
        {
            if (state[at] == state[10])
            {
                return (state[at + 1], state[at + 2]);
            }
        }

        throw new InvalidDataException("The player is not among the players.");
    }
}
