using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Peregrine.Server.Endpoints;
using static Peregrine.Server.Tests.Admin.PeregrineAdminTests;

namespace Peregrine.Server.Tests.Admin;

/// <summary>Settings that are changed while the server runs.</summary>
public sealed class ChangedSettingsTests
{
    private const int ChangedByAdmin = 72;
    private const int Gone = 73;
    private const string Url = "tcp://127.0.0.1:0";

    [Fact]
    public async Task A_change_holds_at_once_and_until_the_configuration_changes()
    {
        await using var server = await StartAsync();
        AdminOf(server).ChangeSettings(new Dictionary<string, string?>
        {
            ["Limits:MaxConnections"] = "7",
            ["endpoints:ECHO:limits:maxconnections"] = "5",
            ["Endpoints:echo:Timeouts:Idle"] = "00:00:30",
            ["Endpoints:echo:Addresses:Deny:0"] = "192.0.2.0/24",
            [$"Endpoints:{Url}:Limits:MaxUnsentBytes"] = "4096",
        });
        Assert.Equal(7, ServerOptions(server).Limits.MaxConnections);
        Assert.Equal(7, server.Server.Admission!.Places.Max);
        var echo = EndpointOptionsOf(server, "echo");
        Assert.Equal(5, echo.Limits.MaxConnections);
        Assert.Equal(TimeSpan.FromSeconds(30), echo.Timeouts.Idle);
        Assert.Equal("192.0.2.0/24", Assert.Single(echo.Addresses.Deny).ToString());
        Assert.Equal(4_096, EndpointOptionsOf(server, Url).Limits.MaxUnsentBytes);
        Assert.Contains("Limits:MaxConnections = 7", Assert.Single(server.Log.WithId(ChangedByAdmin)).Message, StringComparison.Ordinal);

        // Another is beside it, and one can be taken back.
        AdminOf(server).ChangeSettings(new Dictionary<string, string?> { ["limits:MAXconnections"] = null, ["Limits:MaxHandshakes"] = "3" });
        Assert.Equal(10, ServerOptions(server).Limits.MaxConnections);
        Assert.Equal(3, ServerOptions(server).Limits.MaxHandshakes);
        Assert.Equal(5, EndpointOptionsOf(server, "echo").Limits.MaxConnections);
        Assert.Equal(5, AdminOf(server).ChangedSettings.Count);

        ((IConfigurationRoot)server.Host.Services.GetRequiredService<IConfiguration>()).Reload();
        Assert.Equal(1_024, ServerOptions(server).Limits.MaxHandshakes);
        Assert.Null(EndpointOptionsOf(server, "echo").Limits.MaxConnections);
        Assert.Empty(AdminOf(server).ChangedSettings);
        Assert.Contains("Limits:MaxHandshakes", Assert.Single(server.Log.WithId(Gone)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Limits:MaxConnections", "0", "Peregrine:Limits:MaxConnections")]
    [InlineData("Limits:MaxConnections", "many", "many")]
    [InlineData("Limits:MaxConnectoins", "1", "Peregrine:Limits:MaxConnectoins is not a setting")]
    [InlineData("Limits", "1", "can change while the server runs")]
    [InlineData("Limits:MaxConnections:0", "1", "Peregrine:Limits:MaxConnections:0")]
    [InlineData("ShutdownTimeout", "00:00:01", "can change while the server runs")]
    [InlineData("Admin:Socket", "/tmp/x", "can change while the server runs")]
    [InlineData("Endpoints:echo:Url", "tcp://*:80", "can change while the server runs")]
    [InlineData("Endpoints:echo:Timeouts:Idle", "30", "Peregrine:Endpoints:echo:Timeouts:Idle")]
    [InlineData("Endpoints:echo:Addresses:Deny:0", "everybody", "everybody")]
    [InlineData("Endpoints:other:Limits:MaxConnections", "1", "\"echo\"")]
    [InlineData("", "1", "can change while the server runs")]
    public async Task A_wrong_change_is_refused_and_nothing_of_it_holds(string setting, string value, string expected)
    {
        await using var server = await StartAsync();
        var refusal = Assert.Throws<ArgumentException>(() => AdminOf(server).ChangeSettings(
            new Dictionary<string, string?> { ["Limits:MaxHandshakes"] = "3", [setting] = value }));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.Equal(1_024, ServerOptions(server).Limits.MaxHandshakes);
        Assert.Equal(10, server.Server.Admission!.Places.Max);
        Assert.Empty(AdminOf(server).ChangedSettings);
        Assert.Empty(server.Log.WithId(ChangedByAdmin));
    }

    private static async Task<TestServer> StartAsync()
    {
        var server = new TestServer(
            builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)).Listen(Url, tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { ["Peregrine:Endpoints:echo:Url"] = Url, ["Peregrine:Limits:MaxConnections"] = "10" });
        await server.StartAsync();
        return server;
    }

    private static PeregrineOptions ServerOptions(TestServer server) => server.Host.Services.GetRequiredService<IOptionsMonitor<PeregrineOptions>>().CurrentValue;

    private static EndpointOptions EndpointOptionsOf(TestServer server, string name) =>
        server.Host.Services.GetRequiredService<IOptionsMonitor<EndpointOptions>>().Get(name);
}
