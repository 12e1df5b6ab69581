using Peregrine.Server.Admin.Protocol;
using Peregrine.Top.Metrics;
using Peregrine.Top.Processes;
using Peregrine.Top.Tests.Metrics;
using Peregrine.Top.Views;
using Spectre.Console;

namespace Peregrine.Top.Tests.Views;

public sealed class ScreenTests
{
    private const int Width = 160;

    [Theory]
    [InlineData(24, 1)]
    [InlineData(24, 100)]
    [InlineData(50, 3)]
    [InlineData(14, 1)]
    public void A_screen_has_no_more_rows_than_the_terminal(int height, int endpoints)
    {
        var rows = Screen.RowsFor(height, endpoints);
        var page = Enumerable.Range(0, rows).Select(i => new AdminConnection { Id = $"c-{i}", Endpoint = "e0", Remote = "192.0.2.1:7", Stage = "Handling" }).ToList();
        var lines = Lines(SnapshotOf(endpoints, new AdminConnections(10_000, page)), height);
        Assert.InRange(lines.Length, 1, height - 1);
        Assert.Contains(lines, line => (line + " ").StartsWith($"c-{rows - 1} ", StringComparison.Ordinal));
        Assert.Contains($"Connections 1-{rows} of 10,000 by bytes", lines);
    }

    [Fact]
    public void Without_an_admin_socket_it_says_how_to_list_connections()
    {
        var text = string.Join('\n', Lines(SnapshotOf(1, null), 30));
        Assert.Contains("--Peregrine:Admin:Socket=PATH", text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_steers_a_terminal_is_not_passed_on()
    {
        var page = new AdminConnections(1, [new AdminConnection { Id = "\e[2J", Endpoint = "a\r\nb", Remote = "[red]x[/]\u202e", Stage = "Handling" }]);
        var text = string.Join('\n', Lines(SnapshotOf(1, page), 30));
        Assert.DoesNotContain('\e', text);
        Assert.DoesNotContain('\r', text);
        Assert.DoesNotContain('\u202e', text);
        Assert.Contains("?[2J", text, StringComparison.Ordinal);
        Assert.Contains("[red]x[/]?", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0d, "0 B")]
    [InlineData(1023d, "1023 B")]
    [InlineData(1536d, "1.5 KiB")]
    [InlineData(5e18, "4.3 EiB")]
    [InlineData(null, "-")]
    public void Bytes_are_short(double? bytes, string expected) => Assert.Equal(expected, Amounts.Bytes(bytes));

    [Theory]
    [InlineData(0.0000123, "12 µs")]
    [InlineData(0.0123, "12.3 ms")]
    [InlineData(12.34, "12.3 s")]
    [InlineData(61d, "1 m 01 s")]
    [InlineData(3_660d, "1 h 01 m")]
    [InlineData(90_000d, "1 d 01 h")]
    public void Times_are_short(double seconds, string expected) => Assert.Equal(expected, Amounts.Time(seconds));

    private static Snapshot SnapshotOf(int endpoints, AdminConnections? connections) => new(
        new DotnetProcess(1, "Echo", true),
        new ServerMeasures(
        [
            .. Enumerable.Range(0, endpoints).Select(i => ServerMeasuresTests.Value("connections.active", i, 0, ("peregrine.endpoint", $"e{i}"))),
            .. Enumerable.Range(0, 30).Select(i => ServerMeasuresTests.Value("connection.duration", 1, 0, ("peregrine.close.reason", $"a_reason_number_{i}"))),
            ServerMeasuresTests.Value("drain.remaining", 1, 0, ("peregrine.endpoint", "e0"), ("peregrine.stage", "closing")),
        ]),
        connections is null ? null : new AdminServer { State = "Running", Endpoints = [], ChangedSettings = new Dictionary<string, string> { ["Limits:MaxConnections"] = "3" } },
        connections,
        null);

    private static string[] Lines(Snapshot snapshot, int height)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = Width;
        console.Write(Screen.Render(snapshot, new ViewState(ConnectionSort.All[0]), height));
        return text.ToString().TrimEnd('\n').Split('\n').Select(line => line.TrimEnd(' ')).ToArray();
    }
}
