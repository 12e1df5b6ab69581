using System.Net.Sockets;
using System.Text;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

public sealed class TelemetryTests
{
    private const string AnyPort = "--Peregrine:Endpoints:telemetry:Url=udp://127.0.0.1:0";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task What_was_sent_is_added_up_and_the_last_part_of_a_second_is_not_lost_at_the_stop()
    {
        await using var server = ServerProcess.Start("samples/Telemetry/Telemetry", [AnyPort]);
        using var client = new UdpClient();
        client.Connect(await server.WhenReceiving);

        // In one datagram, so in one second.
        await client.SendAsync(Encoding.ASCII.GetBytes(
            "hits:1|c\nhits:3|c|@0.1|#env:test\nload:0.5|g\nload:+0.25|g\ndb:10|ms\ndb:20|ms\nusers:ann|s\nusers:bob|s\nusers:ann|s\nnot a metric\nhits:x|c\n:1|c\nhits:1|c|@0\n"));
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("hits 31/s", server.Output, StringComparison.Ordinal);
        Assert.Contains("load 0.75", server.Output, StringComparison.Ordinal);
        Assert.Contains("db 2/s, mean 15 ms, p50 10 ms, p99 20 ms, highest 20 ms", server.Output, StringComparison.Ordinal);
        Assert.Contains("users 2 different", server.Output, StringComparison.Ordinal);
        Assert.Contains("lost: 4 lines that are not StatsD, 0 of names", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hostile_lines_cost_no_other_and_leave_no_number_that_is_none()
    {
        await using var server = ServerProcess.Start("samples/Telemetry/Telemetry", [AnyPort]);
        using var client = new UdpClient();
        client.Connect(await server.WhenReceiving);
        await client.SendAsync(Encoding.Latin1.GetBytes(
            "load:2|g\nload:+1e308|g\nload:+1e308|g\nload:-Infinity|g\nload:NaN|g\nhits:1|c|@5e-324\nhits:1e308|c\nhits:-1e15|c\ndb:-1|ms\n\u00e9:1|c\nload:+1e15|g\n"
            + "both:1|c\nboth:5|g\nboth:7|ms\nboth:ann|s\nboth:1|c\n"));
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("load 1000000000000000\n", server.Output, StringComparison.Ordinal);
        Assert.Contains("hits -1000000000000000/s", server.Output, StringComparison.Ordinal);

        // A name of several kinds is as many metrics, in their order.
        Assert.Contains("both 2/s\nboth 5\nboth 1/s, mean 7 ms, p50 7 ms, p99 7 ms, highest 7 ms\nboth 1 different\n", server.Output, StringComparison.Ordinal);
        Assert.Contains("lost: 8 lines that are not StatsD", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("db ", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_are_bounded()
    {
        await using var server = ServerProcess.Start("samples/Telemetry/Telemetry", [AnyPort, "--Telemetry:MaxNames=10"]);
        using var client = new UdpClient();
        client.Connect(await server.WhenReceiving);
        await client.SendAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 15).Select(static i => $"name{i}:1|c\n"))));
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("name9 1/s", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("name10 ", server.Output, StringComparison.Ordinal);
        Assert.Contains("5 of names that are too many (Telemetry:MaxNames)", server.Output, StringComparison.Ordinal);
    }

    [RequiresProgramFact("nc")]
    public async Task Netcat_can_send_to_it()
    {
        await using var server = ServerProcess.Start("samples/Telemetry/Telemetry", [AnyPort]);
        var endPoint = await server.WhenReceiving;
        await ClientProcess.RunShellAsync($"echo 'jobs:7|c' | nc -u -w 1 {endPoint.Address} {endPoint.Port}");
        server.Signal(ServerProcess.SigTerm);
        await server.WaitForExitAsync().WaitAsync(Limit);
        Assert.Contains("jobs 7/s", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_setting_ends_the_start_with_one_clear_line()
    {
        await using var server = ServerProcess.Start("samples/Telemetry/Telemetry", [AnyPort, "--Telemetry:MaxNames=none"]);
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Equal("Telemetry:MaxNames is \"none\"; it takes a number from 1.", server.Output);
    }
}
