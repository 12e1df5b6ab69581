using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Admin;

/// <summary>The tool peregrine-top beside a server that runs.</summary>
public sealed partial class TopTests
{
    [Fact]
    public async Task One_look_at_a_server_under_load_has_its_numbers()
    {
        await using var echo = await WatchedEcho.StartAsync();
        await echo.ConnectAsync(3 * 1024);
        await echo.ConnectAsync(2 * 1024);
        using var over = new CancellationTokenSource();
        var load = Task.Run(async () =>
        {
            using var client = await echo.ConnectAsync(1024);
            while (!over.IsCancellationRequested)
            {
                (await echo.ConnectAsync(1)).Dispose();
            }
        });

        var text = await TopProcess.DoAsync("--once", "--process", echo.Id, "--rows", "2", "--interval", "2");
        await over.CancelAsync();
        await load;
        Assert.Contains($"Echo ({echo.Id})  Running", text, StringComparison.Ordinal);
        var endpoint = EndpointRow().Match(text);
        Assert.InRange(Number(endpoint.Groups[1]), 3, 5);
        Assert.InRange(Number(endpoint.Groups[2]), 1, 1_000_000);
        Assert.Equal("accepting", endpoint.Groups[3].Value);
        Assert.Matches(@"Ends\s+peer_closed [1-9]", text);
        Assert.Matches(@"Sockets\s.*listen 1", text);
        Assert.Contains("Connections 1-2 of", text, StringComparison.Ordinal);
        Assert.Equal(["3 KiB", "2 KiB"], ConnectionRow().Matches(text).Select(row => row.Groups[2].Value));
    }

    [Fact]
    public async Task Connections_and_endpoints_are_steered_by_commands()
    {
        await using var echo = await WatchedEcho.StartAsync();
        var client = await echo.ConnectAsync(4096);
        var id = ConnectionRow().Match(await TopProcess.DoAsync("--once", "-p", echo.Id)).Groups[1].Value;

        // The socket is found by the metrics, or named.
        var shown = await TopProcess.DoAsync("show", id, "-p", echo.Id);
        Assert.Matches(@"received\s+4 KiB", shown);
        Assert.Matches(@"tcp state\s+Established", shown);
        Assert.Matches(@"cwnd\s+\d+ segments", shown);

        await TopProcess.DoAsync("close", id, "--admin", echo.AdminPath);
        Assert.Equal(0, await client.ReceiveAsync(new byte[1]));
        client.Dispose();

        await TopProcess.DoAsync("suspend", "echo", "--admin", echo.AdminPath);
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(() => echo.ConnectAsync(1))).SocketErrorCode);
        Assert.Contains("suspended", await TopProcess.DoAsync("--once", "-p", echo.Id), StringComparison.Ordinal);
        await TopProcess.DoAsync("resume", "echo", "--admin", echo.AdminPath);
        var other = await echo.ConnectAsync(1);

        await TopProcess.DoAsync("set", "Limits:MaxConnections=50", "Endpoints:echo:Timeouts:Idle=00:05:00", "--admin", echo.AdminPath);
        var once = await TopProcess.DoAsync("--once", "-p", echo.Id);
        Assert.Contains("Limits:MaxConnections = 50", once, StringComparison.Ordinal);
        id = ConnectionRow().Match(once).Groups[1].Value;
        await TopProcess.DoAsync("close", id, "--abort", "--admin", echo.AdminPath);
        Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(() => other.ReceiveAsync(new byte[1]))).SocketErrorCode);
    }

    [Fact]
    public async Task A_process_without_an_admin_socket_is_watched_all_the_same()
    {
        await using var echo = await WatchedEcho.StartAsync(isAdministered: false);
        await echo.ConnectAsync(10);
        var text = await TopProcess.DoAsync("--once", "-p", echo.Id);
        Assert.Equal(1, Number(EndpointRow().Match(text).Groups[1]));
        Assert.Contains("--Peregrine:Admin:Socket=PATH", text, StringComparison.Ordinal);
        Assert.Matches($@"\n{echo.Id}\s+Echo\s+yes", await TopProcess.DoAsync("ps"));
        await AssertFailsAsync(6, "Peregrine:Admin:Socket", "close", "x", "-p", echo.Id);
    }

    [Fact]
    public async Task What_cannot_be_is_one_clear_line_and_an_exit_code()
    {
        await using var echo = await WatchedEcho.StartAsync();
        await AssertFailsAsync(3, "no process 4194305", "--once", "-p", "4194305");
        await AssertFailsAsync(3, "nothing-like-it", "--once", "-p", "nothing-like-it");
        await AssertFailsAsync(2, "terminal", "-p", echo.Id);
        await AssertFailsAsync(2, "--interval", "--once", "-i", "0");
        await AssertFailsAsync(2, "'nothing'", "--once", "--sort", "nothing");
        await AssertFailsAsync(2, "explode", "explode");
        await AssertFailsAsync(3, "There is no connection", "close", "nobody", "-a", echo.AdminPath);
        await AssertFailsAsync(3, "\"echo\"", "suspend", "nowhere", "-a", echo.AdminPath);
        await AssertFailsAsync(1, "Peregrine:Limits:MaxConnections", "set", "Limits:MaxConnections=none", "-a", echo.AdminPath);
        await AssertFailsAsync(6, echo.AdminPath + "x", "show", "x", "-a", echo.AdminPath + "x");
        await AssertFailsAsync(5, "no server of Peregrine", "--once", "-p", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
    }

    [RequiresProgramFact("tmux")]
    public async Task The_live_view_is_drawn_on_a_terminal_and_follows_keys()
    {
        await using var echo = await WatchedEcho.StartAsync();
        for (var i = 1; i <= 30; i++)
        {
            await echo.ConnectAsync(i * 1024);
        }

        await using var terminal = await Terminal.StartAsync(150, 24, $"dotnet {TopProcess.Path} -p {echo.Id}");
        var screen = await terminal.UntilAsync(text => text.Contains("of 30 by bytes", StringComparison.Ordinal));
        Assert.Equal(30, Number(EndpointRow().Match(screen).Groups[1]));
        Assert.Equal("30 KiB", ConnectionRow().Match(screen).Groups[2].Value);
        Assert.Contains("q quit", screen, StringComparison.Ordinal);
        Assert.InRange(screen.TrimEnd('\n').Split('\n').Length, 20, 24);

        await terminal.PressAsync("Down");
        await terminal.UntilAsync(text => ConnectionRow().Match(text).Groups[2].Value == "29 KiB");
        await terminal.PressAsync("s");
        screen = await terminal.UntilAsync(text => text.Contains("of 30 by age", StringComparison.Ordinal));
        Assert.Equal("1 KiB", ConnectionRow().Match(screen).Groups[2].Value);
        await terminal.PressAsync("?");
        await terminal.UntilAsync(text => text.Contains("sort connections by", StringComparison.Ordinal));
        await terminal.PressAsync("?");
        await terminal.PressAsync("p");
        await terminal.UntilAsync(text => text.Contains("PAUSED", StringComparison.Ordinal) && text.Contains("by age", StringComparison.Ordinal));
        await terminal.PressAsync("p");

        // More come, and the process goes on without the view.
        await echo.ConnectAsync(1);
        await terminal.UntilAsync(text => text.Contains("of 31 by age", StringComparison.Ordinal));
        await terminal.PressAsync("q");
        await terminal.WhenEndedAsync();
        Assert.Equal(1, await (await echo.ConnectAsync(1)).SendAsync(new byte[1]));
    }

    private static async Task AssertFailsAsync(int exitCode, string expected, params string[] arguments)
    {
        var (actual, output, error) = await TopProcess.RunAsync(arguments);
        Assert.True(exitCode == actual, $"{string.Join(' ', arguments)} ended with {actual}: {output}{error}");
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private static int Number(Group group) => int.Parse(group.Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^echo +([\d,]+) +([\d,]+)[\d.]*/s .* (accepting|suspended|-) *$", RegexOptions.Multiline)]
    private static partial Regex EndpointRow();

    // The id, and the bytes received.
    [GeneratedRegex(@"^(\S+) +echo +127\.0\.0\.1:\d+ +Handling .*? (\d[\d.]* (?:B|KiB)) ", RegexOptions.Multiline)]
    private static partial Regex ConnectionRow();
}
