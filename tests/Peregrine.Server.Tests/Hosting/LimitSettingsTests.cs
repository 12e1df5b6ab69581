using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Server.Hosting;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Tests.Hosting;

public sealed class LimitSettingsTests
{
    private const int Changed = 18;
    private const int RefusedChange = 19;
    private const string Limits = "Peregrine:Limits";
    private const string Endpoint = "Peregrine:Endpoints:echo";

    [Fact]
    public async Task Every_limit_comes_from_the_configuration()
    {
        await using var server = Create(new()
        {
            ["Peregrine:StopHostWhenListenerIsGone"] = "false",
            [$"{Limits}:MaxConnections"] = "1000",
            [$"{Limits}:MaxConnectionsPerAddress"] = "100",
            [$"{Limits}:ConnectionsPerSecondPerAddress"] = "10",
            [$"{Limits}:ExemptNetworks:0"] = "10.0.0.0/8",
            [$"{Limits}:ExemptNetworks:1"] = "2001:db8::7",
            [$"{Limits}:AcceptsPerSecond"] = "5000",
            [$"{Limits}:MaxHandshakes"] = "64",
            [$"{Limits}:MaxBufferedBytes"] = "1048576",
            [$"{Endpoint}:Limits:MaxConnections"] = "500",
            [$"{Endpoint}:Limits:MaxUnsentBytes"] = "65536",
            [$"{Endpoint}:Limits:SlowConsumers"] = "disconnect",
            [$"{Endpoint}:Limits:ReadBytesPerSecond"] = "1024",
            [$"{Endpoint}:Addresses:Allow:0"] = "0.0.0.0/0",
            [$"{Endpoint}:Addresses:Deny:0"] = "192.0.2.0/24",
        });
        var settings = server.Host.Services.GetRequiredService<LiveSettings>().Current;
        Assert.False(settings.Server.StopHostWhenListenerIsGone);
        var limits = settings.Server.Limits;
        Assert.Equal(1_000, limits.MaxConnections);
        Assert.Equal(100, limits.MaxConnectionsPerAddress);
        Assert.Equal(10, limits.ConnectionsPerSecondPerAddress);
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8::7/128")], limits.ExemptNetworks);
        Assert.Equal(5_000, limits.AcceptsPerSecond);
        Assert.Equal(64, limits.MaxHandshakes);
        Assert.Equal(1_048_576, limits.MaxBufferedBytes);
        var endpoint = Assert.Single(settings.Endpoints).Options;
        Assert.Equal(500, endpoint.Limits.MaxConnections);
        Assert.Equal(65_536, endpoint.Limits.MaxUnsentBytes);
        Assert.Equal(SlowConsumerPolicy.Disconnect, endpoint.Limits.SlowConsumers);
        Assert.Equal(1_024, endpoint.Limits.ReadBytesPerSecond);
        Assert.Equal(IPNetwork.Parse("0.0.0.0/0"), Assert.Single(endpoint.Addresses.Allow));
        Assert.Equal(IPNetwork.Parse("192.0.2.0/24"), Assert.Single(endpoint.Addresses.Deny));
    }

    [Theory]
    [InlineData($"{Limits}:MaxConnections", "0", "a number from 1")]
    [InlineData($"{Limits}:MaxConnections", "many", "a number from 1")]
    [InlineData($"{Limits}:MaxConnectionsPerAddress", "0", "a number from 1")]
    [InlineData($"{Limits}:ConnectionsPerSecondPerAddress", "0", "a number from 1")]
    [InlineData($"{Limits}:AcceptsPerSecond", "-1", "a number from 1")]
    [InlineData($"{Limits}:MaxHandshakes", "0", "a number from 1")]
    [InlineData($"{Limits}:MaxBufferedBytes", "1000", "from 1048576")]
    [InlineData($"{Limits}:ExemptNetworks:0", "10.0.0.1/8", "without bits behind its prefix")]
    [InlineData($"{Limits}:ExemptNetworks:0", "10", "a network such as")]
    [InlineData($"{Limits}:ExemptNetworks:0", "10.1/8", "a network such as")]
    [InlineData($"{Limits}:ExemptNetworks", "10.0.0.0/8", "section")]
    [InlineData($"{Limits}:MaxConections", "10", "MaxConnectionsPerAddress")]
    [InlineData($"{Endpoint}:Limits:MaxConnections", "0", "a number from 1")]
    [InlineData($"{Endpoint}:Limits:MaxUnsentBytes", "0", "16777216")]
    [InlineData($"{Endpoint}:Limits:SlowConsumers", "1", "Pause or Disconnect")]
    [InlineData($"{Endpoint}:Limits:ReadBytesPerSecond", "1023", "from 1024")]
    [InlineData($"{Endpoint}:Limits:MaxConnectionsPerAddress", "1", "SlowConsumers")]
    [InlineData($"{Endpoint}:Addresses:Allow:0", "everybody", "a network such as")]
    [InlineData($"{Endpoint}:Addresses:Deny:0", "10.0.0.0/33", "a network such as")]
    [InlineData($"{Endpoint}:Addresses:Dny:0", "10.0.0.0/8", "Allow, Deny")]
    [InlineData("Peregrine:StopHostWhenListenerIsGone", "no", "true or false")]
    public async Task A_wrong_limit_is_named_with_what_it_takes(string key, string value, string accepted)
    {
        await using var server = Create(new() { [key] = value });
        var failure = await server.StartAndFailAsync();
        Assert.Contains(key.EndsWith(":0", StringComparison.Ordinal) ? key[..^2] : key, failure.Message, StringComparison.Ordinal);
        Assert.Contains(accepted, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_takes_effect_at_once_and_one_that_is_wrong_is_refused_and_logged()
    {
        await using var server = Create(new() { [$"{Limits}:MaxConnections"] = "10" });
        await server.StartAsync();
        var places = server.Server.Admission!.Places;
        Assert.Equal(10, places.Max);
        Assert.Equal(5, server.Server.Admission.Peers.MaxConnections);

        Set(server, $"{Limits}:MaxConnections", "20");
        Assert.Equal(20, places.Max);
        Assert.Single(server.Log.WithId(Changed));

        Set(server, $"{Limits}:MaxConnections", "none");
        Assert.Equal(20, places.Max);
        Assert.Contains($"{Limits}:MaxConnections = \"none\"", Assert.Single(server.Log.WithId(RefusedChange)).Message, StringComparison.Ordinal);

        Set(server, $"{Limits}:MaxConnections", "1");
        Assert.Equal(1, places.Max);
        Assert.Equal(1, server.Server.Admission.Peers.MaxConnections);
    }

    [Fact]
    public async Task Options_of_code_that_throw_at_a_change_refuse_it()
    {
        var throws = false;
        await using var server = new TestServer(
            builder => builder.Listen(
                "echo",
                "tcp://127.0.0.1:0",
                options => options.Backlog = throws ? throw new InvalidOperationException("Not now.") : options.Backlog,
                tcp => tcp.Run(Handlers.EchoAsync)));
        await server.StartAsync();
        throws = true;
        Set(server, $"{Limits}:MaxConnections", "20");
        Assert.Contains("Not now.", Assert.Single(server.Log.WithId(RefusedChange)).Message, StringComparison.Ordinal);
        var client = await server.ConnectAsync();
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));
    }

    [Theory]
    [InlineData(1_000L, 100, 644)]
    [InlineData(1_048_576L, 100, 1_048_220)]
    [InlineData(long.MaxValue, 100, int.MaxValue)]
    [InlineData(null, 0, 65_536)]
    public void Connections_stay_within_the_descriptors(long? limit, int open, int expected)
    {
        var limits = new ServerLimits();
        new DescriptorBudget(limit, open, IsBinding: true).Apply(limits);
        Assert.Equal(expected, limits.MaxConnections);
        Assert.Equal(expected / 2, limits.MaxConnectionsPerAddress);
    }

    [Fact]
    public void More_connections_than_descriptors_are_refused_with_the_remedy()
    {
        var failure = Assert.Throws<PeregrineStartException>(
            () => new DescriptorBudget(1_000, 100, IsBinding: true).Apply(new ServerLimits { MaxConnections = 645 }));
        Assert.StartsWith($"{Limits}:MaxConnections = \"645\": there are descriptors for 644", failure.Message, StringComparison.Ordinal);
        Assert.Contains("ulimit -n, LimitNOFILE=", failure.Message, StringComparison.Ordinal);
        var none = Assert.Throws<PeregrineStartException>(() => new DescriptorBudget(300, 100, IsBinding: true).Apply(new ServerLimits { MaxConnections = 10 }));
        Assert.Contains("leaves none", none.Message, StringComparison.Ordinal);
        Assert.Contains("ulimit -n, LimitNOFILE=", none.Message, StringComparison.Ordinal);

        // A transport of the application need not take any.
        var limits = new ServerLimits { MaxConnections = 645 };
        new DescriptorBudget(1_000, 100, IsBinding: false).Apply(limits);
        Assert.Equal(645, limits.MaxConnections);
    }

    private static TestServer Create(Dictionary<string, string?> configuration)
    {
        configuration.TryAdd($"{Endpoint}:Url", "tcp://127.0.0.1:0");
        return new TestServer(builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)), configuration);
    }

    private static void Set(TestServer server, string key, string? value)
    {
        var configuration = (IConfigurationRoot)server.Host.Services.GetRequiredService<IConfiguration>();
        configuration[key] = value;
        configuration.Reload();
    }
}
