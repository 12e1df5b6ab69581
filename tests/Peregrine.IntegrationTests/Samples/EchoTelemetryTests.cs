using System.Globalization;
using System.Net;
using System.Net.Sockets;
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

    [Theory]
    [InlineData("OpenTelemetry:Otlp:Endpoint", "nowhere", "http://localhost:4317")]
    [InlineData("OpenTelemetry:Otlp:Endpoint", "localhost:4317", "http://localhost:4317")]
    [InlineData("OpenTelemetry:Otlp:Endpoint", "http://localhost:99999", "http://localhost:4317")]
    [InlineData("OpenTelemetry:Prometheus:Url", "9464", "http://localhost:9464/")]
    [InlineData("OpenTelemetry:Prometheus:Url", "https://localhost:9464/", "http://localhost:9464/")]
    [InlineData("OpenTelemetry:Prometheus:Url", "http://localhost:9464/page", "/metrics")]
    [InlineData("OpenTelemetry:Prometheus:Url", "http://192.0.2.1:9464/", "an address of this machine")]
    public async Task A_wrong_url_ends_the_start_with_one_clear_line(string setting, string url, string expected) => await AssertFailsClearlyAsync(setting, url, expected);

    [Fact]
    public async Task A_port_in_use_ends_the_start_with_one_clear_line()
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        await AssertFailsClearlyAsync("OpenTelemetry:Prometheus:Url", $"http://{other.LocalEndPoint}/", "in use");
    }

    private static async Task AssertFailsClearlyAsync(string setting, string url, string expected)
    {
        await using var server = ServerProcess.Start("Echo", [$"--{setting}={url}", "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0"]);
        Assert.Equal(1, await server.WaitForExitAsync());
        var line = Assert.Single(server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith($"{setting} = \"{url}\" ", line, StringComparison.Ordinal);
        Assert.Contains(expected, line, StringComparison.OrdinalIgnoreCase);
    }

    private static double Sample(string page, string name, string label) => double.Parse(
        Assert.Single(page.Split('\n'), line => line.StartsWith(name + "{", StringComparison.Ordinal) && line.Contains(label, StringComparison.Ordinal)).Split("} ")[1].Split(' ')[0],
        CultureInfo.InvariantCulture);
}
