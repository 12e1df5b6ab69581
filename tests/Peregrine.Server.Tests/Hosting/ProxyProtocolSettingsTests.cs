using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Features;
using Peregrine.Middleware;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Tests.Hosting;

public sealed class ProxyProtocolSettingsTests
{
    private const string Section = "Peregrine:Endpoints:echo:ProxyProtocol";

    [Fact]
    public async Task Every_option_comes_from_the_configuration()
    {
        await using var server = Create(new()
        {
            [$"{Section}:TrustedNetworks:0"] = "10.0.0.0/8",
            [$"{Section}:TrustedNetworks:1"] = "2001:db8::7",
            [$"{Section}:TrustUnixSockets"] = "true",
            [$"{Section}:HeaderTimeout"] = "00:00:05",
            [$"{Section}:Versions"] = "version2",
            [$"{Section}:MaxHeaderSizeInBytes"] = "536",
        });
        var options = Read(server)!;
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8::7/128")], options.TrustedNetworks);
        Assert.True(options.TrustUnixSockets);
        Assert.False(options.DangerousTrustAnySender);
        Assert.Equal((TimeSpan.FromSeconds(5), ProxyProtocolVersions.Version2, 536), (options.HeaderTimeout, options.Versions, options.MaxHeaderSizeInBytes));
    }

    [Fact]
    public async Task Without_the_section_there_is_none()
    {
        await using var server = Create([]);
        Assert.Null(Read(server));
    }

    [Fact]
    public async Task Configuration_wins_over_code_and_switches_it_off()
    {
        static void Code(EndpointOptions options) =>
            options.ProxyProtocol = new ProxyProtocolOptions { TrustedNetworks = { IPNetwork.Parse("10.0.0.0/8") }, HeaderTimeout = TimeSpan.FromSeconds(9) };
        await using (var server = Create(new() { [$"{Section}:TrustedNetworks:0"] = "192.0.2.0/24" }, Code))
        {
            var options = Read(server)!;
            Assert.Equal(IPNetwork.Parse("192.0.2.0/24"), Assert.Single(options.TrustedNetworks));
            Assert.Equal(TimeSpan.FromSeconds(9), options.HeaderTimeout);
        }

        await using (var server = Create(new() { [$"{Section}:Required"] = "false" }, Code))
        {
            Assert.Null(Read(server));
        }
    }

    [Theory]
    [InlineData("TrustedNetworks:0", "everybody", "a network such as")]
    [InlineData("TrustedNetworks", "10.0.0.0/8", "section")]
    [InlineData("TrustedNetwork:0", "10.0.0.0/8", "TrustedNetworks, TrustUnixSockets")]
    [InlineData("TrustUnixSockets", "yes", "true or false")]
    [InlineData("DangerousTrustAnySender", "1", "true or false")]
    [InlineData("DangerousTrustAnySender", "true", "set one of them")]
    [InlineData("HeaderTimeout", "3", "a time such as 00:00:03")]
    [InlineData("HeaderTimeout", "00:00:00", "more than zero")]
    [InlineData("Versions", "2", "Version1, Version2 or Any")]
    [InlineData("Versions", "None", "Version1, Version2 or Any")]
    [InlineData("MaxHeaderSizeInBytes", "231", "from 232 to 65551")]
    [InlineData("Required", "maybe", "true or false")]
    public async Task A_wrong_setting_is_named_with_what_it_takes(string key, string value, string accepted)
    {
        await using var server = Create(new() { [$"{Section}:TrustedNetworks:1"] = "10.0.0.0/8", [$"{Section}:{key}"] = value });
        var failure = await server.StartAndFailAsync();
        Assert.Contains($"{Section}:{key.Split(':')[0]}", failure.Message, StringComparison.Ordinal);
        Assert.Contains(accepted, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task That_nobody_is_trusted_is_said_with_the_remedy()
    {
        await using var server = Create(new() { [$"{Section}:HeaderTimeout"] = "00:00:05" });
        var failure = await server.StartAndFailAsync();
        Assert.StartsWith($"{Section}:TrustedNetworks is empty", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_header_comes_before_what_code_adds_and_its_endpoint_still_needs_a_handler()
    {
        await using var server = Create(new() { [$"{Section}:TrustedNetworks:0"] = "127.0.0.0/8" });
        await server.StartAsync();
        var client = await server.ConnectAsync();
        await client.SendAsync("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nhello");
        Assert.Equal("192.168.0.1:56324", await client.ReceiveAsync(17));
        var stranger = await server.ConnectAsync();
        await stranger.SendAsync("hello");
        await Assert.ThrowsAsync<ConnectionResetException>(stranger.ReceiveToEndAsync);
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Level > Microsoft.Extensions.Logging.LogLevel.Warning);

        await using var empty = new TestServer(
            builder => builder.Endpoint("echo", _ => { }),
            new Dictionary<string, string?> { ["Peregrine:Endpoints:echo:Url"] = "tcp://127.0.0.1:0", [$"{Section}:TrustedNetworks:0"] = "127.0.0.0/8" });
        Assert.Contains("has no handler", (await empty.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    private static ProxyProtocolOptions? Read(TestServer server) =>
        Assert.Single(server.Host.Services.GetRequiredService<LiveSettings>().Current.Endpoints).Options.ProxyProtocol;

    private static TestServer Create(Dictionary<string, string?> configuration, Action<EndpointOptions>? code = null)
    {
        configuration.TryAdd("Peregrine:Endpoints:echo:Url", "tcp://127.0.0.1:0");
        return new TestServer(
            builder => builder.Listen("echo", "tcp://127.0.0.1:0", code ?? (_ => { }), tcp => tcp.Run(async connection =>
            {
                Assert.NotNull(connection.Features.Get<IProxyProtocolFeature>());
                await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(connection.RemoteEndPoint!.ToString()!));
            })),
            configuration);
    }
}
