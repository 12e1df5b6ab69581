using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Middleware;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Tests.Hosting;

public sealed class TlsSettingsTests
{
    private const string Endpoints = "Peregrine:Endpoints";

    [Theory]
    [InlineData("Tls:TrustedRootsPath", "", "TrustedRootsPath is empty")]
    [InlineData("Tls:TrustedRootsPath", null, "TrustedRootsPath is empty")]
    [InlineData("Tls", "", "Tls is empty")]
    [InlineData("Tls", null, "Tls is empty")]
    [InlineData("ProxyProtocol", "", "ProxyProtocol is empty")]
    [InlineData("ProxyProtocol", null, "ProxyProtocol is empty")]
    public async Task What_is_there_and_empty_is_not_taken_for_what_is_missing(string key, string? value, string problem)
    {
        var configuration = new Dictionary<string, string?> { [$"{Endpoints}:one:{key}"] = value };
        if (key.Contains(':', StringComparison.Ordinal))
        {
            configuration[$"{Endpoints}:one:Tls:ClientCertificates"] = "Require";
        }

        await using var server = Create(configuration, _ => { });
        Assert.StartsWith($"{Endpoints}:one:{problem}", (await server.StartAndFailAsync()).Message.Replace("Tls:", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_one_endpoint_has_over_the_options_of_code_is_not_anothers()
    {
        var tls = new TlsOptions { Certificate = { Path = "of code" }, Hosts = { ["example.com"] = new() { Certificate = { Path = "of code" } } } };
        var proxies = new ProxyProtocolOptions { TrustedNetworks = { IPNetwork.Parse("10.0.0.0/8") } };
        await using var server = Create(
            new()
            {
                [$"{Endpoints}:one:Tls:ClientCertificates"] = "Require",
                [$"{Endpoints}:one:Tls:Certificate:Path"] = "of one",
                [$"{Endpoints}:one:Tls:Hosts:example.com:Certificate:Path"] = "of one",
                [$"{Endpoints}:one:Tls:Hosts:example.org:Certificate:Path"] = "of one",
                [$"{Endpoints}:one:ProxyProtocol:TrustedNetworks:0"] = "192.0.2.0/24",
            },
            options => (options.Tls, options.ProxyProtocol) = (tls, proxies));
        var (one, two) = (Read(server, "one"), Read(server, "two"));
        Assert.Equal((TlsClientCertificateMode.Require, "of one"), (one.Tls!.ClientCertificates, one.Tls.Certificate.Path));
        Assert.Equal("of one", one.Tls.Hosts["example.com"].Certificate.Path);
        Assert.Equal(IPNetwork.Parse("192.0.2.0/24"), Assert.Single(one.ProxyProtocol!.TrustedNetworks));
        Assert.Equal($"{Endpoints}:one:Tls", one.Tls.SettingName);
        foreach (var untouched in (TlsOptions[])[tls, two.Tls!])
        {
            Assert.Equal((TlsClientCertificateMode.None, "of code"), (untouched.ClientCertificates, untouched.Certificate.Path));
            Assert.Equal("of code", Assert.Single(untouched.Hosts).Value.Certificate.Path);
        }

        Assert.Equal("Tls", tls.SettingName);
        Assert.Equal(IPNetwork.Parse("10.0.0.0/8"), Assert.Single(proxies.TrustedNetworks));
        Assert.Equal(IPNetwork.Parse("10.0.0.0/8"), Assert.Single(two.ProxyProtocol!.TrustedNetworks));
    }

    private static EndpointOptions Read(TestServer server, string name) =>
        server.Host.Services.GetRequiredService<LiveSettings>().Current.Find(name)!;

    private static TestServer Create(Dictionary<string, string?> configuration, Action<EndpointOptions> code)
    {
        configuration.TryAdd($"{Endpoints}:one:Url", "tcp://127.0.0.1:0");
        return new TestServer(
            builder => builder
                .Listen("one", "tcp://127.0.0.1:0", code, tcp => tcp.Run(_ => Task.CompletedTask))
                .Listen("two", "tcp://127.0.0.1:0", code, tcp => tcp.Run(_ => Task.CompletedTask)),
            configuration);
    }
}
