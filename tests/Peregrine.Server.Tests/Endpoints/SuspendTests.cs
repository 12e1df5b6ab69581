using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Tests.Endpoints;

/// <summary>Suspend, wait and resume, over real sockets: whether a port is given up is the system's word.</summary>
public sealed class SuspendTests
{
    [Fact]
    public async Task A_suspended_endpoint_refuses_and_keeps_what_it_has_until_it_is_resumed()
    {
        using var host = await StartAsync(Handlers.EchoAsync);
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        using var old = await ConnectAsync(endpoint);
        await EchoAsync(old);
        Assert.Equal(1, endpoint.Connections);

        await endpoint.SuspendAsync();
        await endpoint.SuspendAsync();
        Assert.True(endpoint.IsSuspended);
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(endpoint))).SocketErrorCode);
        await EchoAsync(old);

        var waiting = endpoint.WaitForConnectionsAsync(0);
        Assert.False(waiting.IsCompleted);
        old.Close();
        await waiting.InTimeAsync();
        Assert.Equal(0, endpoint.Connections);

        await endpoint.ResumeAsync();
        await endpoint.ResumeAsync();
        Assert.False(endpoint.IsSuspended);
        using var later = await ConnectAsync(endpoint);
        await EchoAsync(later);
        await host.StopAsync().InTimeAsync();
    }

    [Fact]
    public async Task What_is_queued_at_the_suspend_is_served()
    {
        using var host = await StartAsync(Handlers.EchoAsync);
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        for (var round = 0; round < 20; round++)
        {
            var clients = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ConnectAsync(endpoint)));
            await endpoint.SuspendAsync().InTimeAsync();
            await Task.WhenAll(clients.Select(EchoAsync));
            Array.ForEach(clients, client => client.Close());
            await endpoint.WaitForConnectionsAsync(0).InTimeAsync();
            await endpoint.ResumeAsync().InTimeAsync();
        }

        await host.StopAsync().InTimeAsync();
    }

    [Fact]
    public async Task A_port_that_was_taken_meanwhile_is_named_and_can_be_asked_for_again()
    {
        using var host = await StartAsync(Handlers.EchoAsync);
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        await endpoint.SuspendAsync();
        using (var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            other.Bind(endpoint.Addresses[0]);
            other.Listen();
            var failure = await Assert.ThrowsAsync<AddressInUseException>(() => endpoint.ResumeAsync());
            Assert.Contains(endpoint.Addresses[0].ToString()!, failure.Message, StringComparison.Ordinal);
            Assert.True(endpoint.IsSuspended);
        }

        await endpoint.ResumeAsync();
        using var client = await ConnectAsync(endpoint);
        await EchoAsync(client);
        await host.StopAsync().InTimeAsync();
    }

    [Fact]
    public async Task A_server_with_a_suspended_endpoint_stops_and_is_not_resumed()
    {
        using var host = await StartAsync(Handlers.EchoAsync);
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        await endpoint.SuspendAsync();
        await host.StopAsync().InTimeAsync();
        await endpoint.ResumeAsync();
        Assert.True(endpoint.IsSuspended);
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(endpoint));
    }

    [Fact]
    public async Task A_wait_can_be_cancelled_and_takes_no_negative_number()
    {
        using var host = await StartAsync(Handlers.EchoAsync);
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        using var client = await ConnectAsync(endpoint);
        await EchoAsync(client);
        using var cancellation = new CancellationTokenSource();
        var waiting = endpoint.WaitForConnectionsAsync(0, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => endpoint.WaitForConnectionsAsync(-1));
        await endpoint.WaitForConnectionsAsync(1).InTimeAsync();
        client.Close();
        await host.StopAsync().InTimeAsync();
    }

    [Fact]
    public async Task An_endpoint_can_be_suspended_before_the_host_has_started()
    {
        using var host = await StartAsync(Handlers.EchoAsync, services => services.AddHostedService<Suspending>());
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        Assert.True(endpoint.IsSuspended);
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(endpoint));
        await endpoint.ResumeAsync();
        using (var client = await ConnectAsync(endpoint))
        {
            await EchoAsync(client);
        }

        await host.StopAsync().InTimeAsync();
    }

    private static async Task<IHost> StartAsync(ConnectionDelegate handler, Action<IServiceCollection>? services = null)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        services?.Invoke(builder.Services);
        builder.Services.AddPeregrine(server => server.Listen($"tcp://{TestServer.OwnAddress}:0", tcp => tcp.Run(connection => handler(connection))));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private static async Task<Socket> ConnectAsync(ServerEndpoint endpoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(endpoint.Addresses[0]).InTimeAsync();
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static async Task EchoAsync(Socket client)
    {
        await client.SendAsync("hello"u8.ToArray());
        var answer = new byte[5];
        Assert.Equal(5, await client.ReceiveAsync(answer).InTimeAsync());
        Assert.Equal("hello", Encoding.ASCII.GetString(answer));
    }

    private sealed class Suspending(PeregrineServer server) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => server.Endpoints[0].SuspendAsync(cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
