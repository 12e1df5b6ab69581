using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

/// <summary>The game's client, in a terminal.</summary>
public sealed class GameClientTests
{
    private const int FieldWidth = 60;
    private const int FieldHeight = 18;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [RequiresProgramFact("tmux")]
    public async Task A_player_moves_by_keys_finds_its_server_again_and_gets_the_terminal_back()
    {
        var server = ServerProcess.Start("samples/Game/Game", ["--Peregrine:Endpoints:game:Url=udp://127.0.0.1:0"]);
        try
        {
            var address = await server.WhenReceiving;
            await using var terminal = await TmuxTerminal.StartAsync(100, 30, TmuxTerminal.Shell);
            await terminal.EnterAsync(CommandLine(address));
            var (x, _) = OwnCell(await terminal.UntilLinesAsync(IsPlaying));

            // To the side that is farther away.
            var (key, step) = x < FieldWidth / 2 ? ("d", 1) : ("a", -1);
            await terminal.TypeAsync(key);
            await terminal.UntilLinesAsync(screen => IsPlaying(screen) && (OwnCell(screen).X - x) * step >= 3);

            // Without a goodbye: the next one knows nothing of the player.
            await server.DisposeAsync();
            await terminal.UntilLinesAsync(static screen => screen[0].StartsWith("Connecting", StringComparison.Ordinal));
            server = ServerProcess.Start("samples/Game/Game", [$"--Peregrine:Endpoints:game:Url=udp://{address}"]);
            await terminal.UntilLinesAsync(IsPlaying);

            await terminal.TypeAsync("q");
            await AssertRestoredAsync(terminal);
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    [RequiresProgramFact("tmux")]
    public async Task A_hostile_server_gets_no_more_than_it_sends_and_breaks_nothing()
    {
        using var limit = new CancellationTokenSource(Limit);
        using var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        await using var terminal = await TmuxTerminal.StartAsync(100, 30, TmuxTerminal.Shell);
        await terminal.EnterAsync(CommandLine((IPEndPoint)server.Client.LocalEndPoint!));
        var client = (await server.ReceiveAsync(limit.Token)).RemoteEndPoint;

        // One hello asked; the others come by the clock, twice a second.
        for (var i = 0; i < 200; i++)
        {
            await server.SendAsync(new byte[] { 2 }, client, limit.Token);
            await server.SendAsync(new byte[21] { 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, client, limit.Token);
        }

        for (var length = 0; length < 400; length++)
        {
            byte[] datagram = [.. Enumerable.Repeat((byte)0xFF, length)];
            foreach (byte kind in (ReadOnlySpan<byte>)[0, 1, 2, 3, 4, 6])
            {
                _ = length > 0 ? datagram[0] = kind : 0;
                server.Send(datagram, client);
            }
        }

        // Tick 1, input 0, nothing lost, id 1; a player who is beside the field, and one at (3, 2); no coins.
        await server.SendAsync(new byte[] { 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 9, 255, 255, 0, 0, 1, 3, 2, 0, 7, 0 }, client, limit.Token);
        var screen = await terminal.UntilLinesAsync(IsPlaying);
        Assert.Equal((3, 2), OwnCell(screen));
        Assert.Contains("score 7", screen[FieldHeight], StringComparison.Ordinal);
        var hellos = 0;
        while ((await server.ReceiveAsync(limit.Token)).Buffer is [1, ..])
        {
            hellos++;
        }

        Assert.InRange(hellos, 1, 50);
        await server.SendAsync(new byte[] { 5 }, client, limit.Token);
        await terminal.UntilLinesAsync(static screen => screen.Contains("The server has said goodbye."));
        await AssertRestoredAsync(terminal);
    }

    private static string CommandLine(IPEndPoint server) => $"dotnet {Path.Combine(AppContext.BaseDirectory, "samples/Game/Game.dll")} play {server}";

    private static bool IsPlaying(string[] screen) =>
        screen.Length > FieldHeight && screen[FieldHeight].StartsWith("tick ", StringComparison.Ordinal) && screen.Take(FieldHeight).Any(static line => line.Contains('@'));

    private static (int X, int Y) OwnCell(string[] screen)
    {
        var y = Array.FindIndex(screen, static line => line.Contains('@'));
        return (screen[y].IndexOf('@'), y);
    }

    /// <summary>The shell's screen, a cursor, and a terminal that reads lines and shows what is typed.</summary>
    private static async Task AssertRestoredAsync(TmuxTerminal terminal)
    {
        // When the shell asks for a line, and not before: the client would take the keys.
        await terminal.UntilLinesAsync(static screen => Array.FindLast(screen, static line => line.Length > 0) == "$");
        await terminal.EnterAsync("stty -a | tr \" ;\" \"\\n\" | grep -xE \"icanon|echo\" | wc -l");
        await terminal.UntilLinesAsync(static screen => screen.Contains("2"));
        Assert.True(await terminal.IsRestoredAsync());
    }
}
