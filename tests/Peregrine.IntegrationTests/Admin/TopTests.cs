using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Peregrine.IntegrationTests.Processes;
using Peregrine.IntegrationTests.Survival.Programs;

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
    public async Task One_look_at_a_server_under_datagrams_has_their_numbers()
    {
        await using var echo = await WatchedEcho.StartAsync(arguments: "--Peregrine:Endpoints:echo-udp:Addresses:Deny:0=127.0.0.2");
        var endPoint = await echo.Server.WhenReceiving;
        using var denied = new UdpClient(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        await denied.SendAsync(new byte[1], endPoint);
        await denied.SendAsync(new byte[1], endPoint);
        using var over = new CancellationTokenSource();
        var load = Task.Run(async () =>
        {
            using var client = new UdpClient();
            client.Connect(endPoint);
            while (!over.IsCancellationRequested)
            {
                await client.SendAsync(new byte[64]);
                await client.ReceiveAsync().WaitAsync(TimeSpan.FromMinutes(1));
            }
        });

        var text = await TopProcess.DoAsync("--once", "--process", echo.Id, "--interval", "2");
        await over.CancelAsync();
        await load;
        var row = DatagramRow().Match(text);
        Assert.True(row.Success, text);
        Assert.InRange(Number(row.Groups[1]), 1, 10_000_000);
        Assert.InRange(Number(row.Groups[2]), 1, 10_000_000);
        Assert.Contains("Drops    echo-udp: rejected_address 2", text, StringComparison.Ordinal);
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

        // Not this process, in which other tests have servers.
        using var stranger = Process.Start(new ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, TestProgram.Assembly + ".dll"), IdleClients.Name, "0", "0"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("holding 0", await stranger.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1)));
            await AssertFailsAsync(5, "no server of Peregrine", "--once", "-p", stranger.Id.ToString(CultureInfo.InvariantCulture));
        }
        finally
        {
            stranger.Kill();
        }
    }

    [RequiresProgramFact("tmux")]
    public async Task The_live_view_is_drawn_on_a_terminal_and_follows_keys()
    {
        await using var echo = await WatchedEcho.StartAsync();
        for (var i = 1; i <= 30; i++)
        {
            await echo.ConnectAsync(i * 1024);
        }

        await using var terminal = await TmuxTerminal.StartAsync(150, 24, $"dotnet {TopProcess.Path} -p {echo.Id}");
        var screen = await terminal.UntilAsync(text => text.Contains("of 30 by bytes", StringComparison.Ordinal));
        Assert.Equal(30, Number(EndpointRow().Match(screen).Groups[1]));
        Assert.Equal("30 KiB", ConnectionRow().Match(screen).Groups[2].Value);
        Assert.Contains("q quit", screen, StringComparison.Ordinal);
        Assert.Matches(@"DATAGRAMS +RECEIVED +SENT +DROPPED +SESSIONS +STATE", screen);
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

    [RequiresProgramFact("tmux")]
    public async Task Keys_are_heard_while_the_process_watched_is_stopped()
    {
        await using var echo = await WatchedEcho.StartAsync();
        await echo.ConnectAsync(1);
        await using var terminal = await TmuxTerminal.StartAsync(20, 5, $"dotnet {TopProcess.Path} -p {echo.Id}");
        await terminal.UntilAsync(text => text.Contains("q quit", StringComparison.Ordinal));
        await ClientProcess.RunShellAsync($"kill -STOP {echo.Id}");
        try
        {
            await terminal.PressAsync("?");
            await terminal.UntilAsync(text => text.Contains("peregrine-top: a", StringComparison.Ordinal));
            await terminal.PressAsync("q");
            await terminal.WhenEndedAsync();
            await AssertFailsAsync(1, "is it stopped", "--once", "-p", echo.Id);
        }
        finally
        {
            await ClientProcess.RunShellAsync($"kill -CONT {echo.Id}");
        }
    }

    [Fact]
    public async Task A_command_for_one_process_is_not_done_by_another_that_has_its_socket()
    {
        await using var echo = await WatchedEcho.StartAsync();
        await using var other = await WatchedEcho.StartAsync();
        File.Delete(echo.AdminPath);
        File.CreateSymbolicLink(echo.AdminPath, other.AdminPath);
        await AssertFailsAsync(1, $"not that of process {echo.Id}", "suspend", "echo", "-p", echo.Id);
        await other.ConnectAsync(1);
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

    [GeneratedRegex(@"^echo-udp +([\d,]+)[\d.]*/s +([\d,]+)[\d.]*/s +[\d.]+/s +- +receiving *$", RegexOptions.Multiline)]
    private static partial Regex DatagramRow();

    // The id, and the bytes received.
    [GeneratedRegex(@"^(\S+) +echo +127\.0\.0\.1:\d+ +Handling .*? (\d[\d.]* (?:B|KiB)) ", RegexOptions.Multiline)]
    private static partial Regex ConnectionRow();
}
