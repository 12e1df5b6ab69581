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
    [InlineData(24, 1, 0)]
    [InlineData(24, 100, 0)]
    [InlineData(50, 3, 0)]
    [InlineData(14, 1, 0)]
    [InlineData(24, 1, 1)]
    [InlineData(50, 100, 100)]
    [InlineData(17, 1, 1)]
    public void A_screen_has_no_more_rows_than_the_terminal(int height, int endpoints, int datagramEndpoints)
    {
        var rows = Screen.RowsFor(height, endpoints, datagramEndpoints);
        var page = Enumerable.Range(0, rows).Select(i => new AdminConnection { Id = $"c-{i}", Endpoint = "e0", Remote = "192.0.2.1:7", Stage = "Handling" }).ToList();
        var lines = Lines(SnapshotOf(endpoints, new AdminConnections(10_000, page), datagramEndpoints), height);
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
    public void Endpoints_of_datagrams_have_their_rates_drops_and_sessions()
    {
        var lines = Lines(SnapshotOf(1, null, datagramEndpoints: 1), 30);
        Assert.Contains(lines, static line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^DATAGRAMS +RECEIVED +SENT +DROPPED +SESSIONS +STATE$"));
        Assert.Contains(lines, static line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^u0 +12,345/s +12/s +2\.5/s +17 +-$"));
        Assert.Contains("Drops    u0: session_limit 5", lines);
        Assert.DoesNotContain(Lines(SnapshotOf(1, null), 30), static line => line.StartsWith("DATAGRAMS", StringComparison.Ordinal) || line.StartsWith("Drops", StringComparison.Ordinal));
    }

    [Fact]
    public void What_the_server_tells_of_drops_is_since_its_start()
    {
        var server = new AdminServer
        {
            State = "Running",
            Endpoints =
            [
                new AdminEndpoint { Name = "e0" },
                new AdminEndpoint { Name = "u0", Datagrams = new AdminDatagrams(9, 9, new Dictionary<string, long> { ["Truncated"] = 1, ["ReceiveBufferFull"] = 1234 }) },
            ],
        };
        var lines = Lines(SnapshotOf(1, null, datagramEndpoints: 1, server), 30);
        Assert.Contains("Drops    u0: receive_buffer_full 1,234, u0: truncated 1", lines);
        Assert.Contains(lines, static line => line.StartsWith("u0 ", StringComparison.Ordinal) && line.EndsWith(" receiving", StringComparison.Ordinal));
        Assert.Contains("Drops    none since the start", Lines(SnapshotOf(1, null, datagramEndpoints: 1, new AdminServer { State = "Running" }), 30));
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

    private static Snapshot SnapshotOf(int endpoints, AdminConnections? connections, int datagramEndpoints = 0, AdminServer? server = null) => new(
        new DotnetProcess(1, "Echo", true),
        new ServerMeasures(
        [
            .. Enumerable.Range(0, endpoints).Select(i => ServerMeasuresTests.Value("connections.active", i, 0, ("peregrine.endpoint", $"e{i}"))),
            .. Enumerable.Range(0, 30).Select(i => ServerMeasuresTests.Value("connection.duration", 1, 0, ("peregrine.close.reason", $"a_reason_number_{i}"))),
            .. Enumerable.Range(0, datagramEndpoints).SelectMany(i => (IEnumerable<MetricValue>)
            [
                ServerMeasuresTests.Value("datagrams.received", 900, 12_345, ("peregrine.endpoint", $"u{i}")),
                ServerMeasuresTests.Value("datagrams.sent", 90, 12, ("peregrine.endpoint", $"u{i}")),
                ServerMeasuresTests.Value("datagrams.dropped", 5, 2.5, ("peregrine.endpoint", $"u{i}"), ("peregrine.drop.reason", "session_limit")),
                ServerMeasuresTests.Value("sessions.active", 17, 0, ("peregrine.endpoint", $"u{i}")),
            ]),
            ServerMeasuresTests.Value("drain.remaining", 1, 0, ("peregrine.endpoint", "e0"), ("peregrine.stage", "closing")),
        ]),
        server ?? (connections is null ? null : new AdminServer { State = "Running", Endpoints = [], ChangedSettings = new Dictionary<string, string> { ["Limits:MaxConnections"] = "3" } }),
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
