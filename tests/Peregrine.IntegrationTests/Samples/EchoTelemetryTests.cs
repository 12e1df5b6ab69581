using System.Globalization;
using System.Net;
using Peregrine.IntegrationTests.Admin;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

/// <summary>What the sample tells OpenTelemetry, when it is asked to.</summary>
public sealed class EchoTelemetryTests
{
    [Fact]
    public async Task Prometheus_gets_the_numbers_of_the_server()
    {
        var url = $"http://127.0.0.1:{FreePorts.Take(IPAddress.Loopback)}/";
        await using var echo = await WatchedEcho.StartAsync(isAdministered: false, $"--OpenTelemetry:Prometheus:Url={url}");
        for (var i = 0; i < 3; i++)
        {
            await echo.ConnectAsync(1000);
        }

        using var http = new HttpClient { BaseAddress = new Uri(url) };
        var page = await http.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.Equal(3, Sample(page, "peregrine_server_connections_active", "peregrine_endpoint=\"echo\""));
        Assert.Equal(3, Sample(page, "peregrine_server_connections_accepted_total", "peregrine_endpoint=\"echo\""));
        Assert.Equal(3, Sample(page, "peregrine_server_tcp_sockets", "network_connection_state=\"established\""));
        Assert.Equal(1, Sample(page, "peregrine_server_tcp_sockets", "network_connection_state=\"listen\""));
        Assert.Contains("# TYPE peregrine_server_connections_accepted_total counter", page, StringComparison.Ordinal);
        Assert.Contains("service_name=\"Echo\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_url_ends_the_start()
    {
        await using var server = ServerProcess.Start("Echo", ["--OpenTelemetry:Otlp:Endpoint=nowhere"]);
        Assert.NotEqual(0, await server.WaitForExitAsync());
        Assert.Contains("OpenTelemetry:Otlp:Endpoint = \"nowhere\"", Assert.Single(server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private static double Sample(string page, string name, string label) => double.Parse(
        Assert.Single(page.Split('\n'), line => line.StartsWith(name + "{", StringComparison.Ordinal) && line.Contains(label, StringComparison.Ordinal)).Split("} ")[1].Split(' ')[0],
        CultureInfo.InvariantCulture);
}
