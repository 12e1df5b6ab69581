using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Health;

/// <summary>The port that tells readiness: a real one, of a server over the in-memory transport.</summary>
public sealed class HealthProbeTests
{
    private readonly IPEndPoint _port = new(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback));

    [Fact]
    public async Task The_port_accepts_while_the_server_is_ready_and_refuses_while_it_is_not()
    {
        var clock = new FakeTimeProvider();
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = Create(clock, _ => finish.Task, options => options.DrainDelay = TimeSpan.FromSeconds(5));
        Assert.False(await IsOpenAsync());
        await server.StartAsync();
        await UntilAsync(isOpen: true);

        await server.Server.Endpoints[0].SuspendAsync();
        await UntilAsync(isOpen: false);
        await server.Server.Endpoints[0].ResumeAsync();
        await UntilAsync(isOpen: true);

        var stop = server.StopAsync();
        await UntilAsync(isOpen: false);
        Assert.Equal(ServerState.Draining, server.Server.State);
        await server.ConnectAsync(); // It still accepts.
        await SupervisedServer.UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        clock.Advance(TimeSpan.FromSeconds(5));
        finish.SetResult();
        await stop;
        Assert.False(await IsOpenAsync());
        Assert.Equal(2, server.Log.WithId(60).Count);
        Assert.Equal(2, server.Log.WithId(61).Count);
        Assert.Empty(server.Log.WithId(62));
    }

    [Fact]
    public async Task Clients_that_flood_it_stay_or_talk_are_sent_away_and_others_are_told()
    {
        await using var server = Create(TimeProvider.System, Handlers.EchoAsync, options => options.Limits.MaxConnections = 1);
        await server.StartAsync();
        await UntilAsync(isOpen: true);
        var clients = new List<Socket>();
        for (var i = 0; i < 300; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            clients.Add(client);
            await client.ConnectAsync(_port).InTimeAsync();
            try
            {
                await client.SendAsync("GET /ready HTTP/1.1\r\n\r\n"u8.ToArray());
            }
            catch (SocketException)
            {
                // It was reset already.
            }
        }

        // Each is at its end, by a FIN or by a reset, although none has closed.
        foreach (var client in clients)
        {
            try
            {
                Assert.Equal(0, await client.ReceiveAsync(new byte[16]).InTimeAsync());
            }
            catch (SocketException exception)
            {
                Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
            }
        }

        await UntilAsync(isOpen: true);
        Assert.Equal(0, server.Server.Endpoints[0].Connections);
        var served = await server.ConnectAsync(); // The one that the limit allows.
        await served.SendAsync("abc");
        Assert.Equal("abc", await served.ReceiveAsync(3));
        await served.Transport.Output.CompleteAsync();
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_the_start_with_the_name_of_the_setting()
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(_port);
        other.Listen();
        await using var server = Create(TimeProvider.System, Handlers.EchoAsync);
        Assert.Contains($"Peregrine:Health:Url = \"tcp://{_port}\": the address {_port} is in use", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("udp://*:7099")]
    [InlineData("unix:@probe")]
    [InlineData("tcp://*")]
    [InlineData("7099")]
    public async Task A_url_that_is_no_port_ends_the_start(string url)
    {
        await using var server = new TestServer(
            builder => builder.Listen("test", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { ["Peregrine:Health:Url"] = url });
        Assert.StartsWith($"Peregrine:Health:Url = \"{url}\"", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_that_throws_when_it_is_asked_closes_the_port_and_does_not_keep_it_closed()
    {
        var isBroken = false;
        var clock = new FakeTimeProvider();
        await using var server = Create(clock, Handlers.EchoAsync, transport: inner => new BrokenTransport(inner, () => Volatile.Read(ref isBroken)));
        await server.StartAsync();
        await UntilAsync(isOpen: true);
        Volatile.Write(ref isBroken, true);
        clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(isOpen: false);
        await SupervisedServer.UntilAsync(() => server.Log.WithId(61).Count > 0); // The port is closed first.
        Assert.Contains("The listener is broken.", Assert.Single(server.Log.WithId(61)).Message, StringComparison.Ordinal);
        Volatile.Write(ref isBroken, false);
        clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(isOpen: true);
        await server.StopAsync();
        Assert.False(await IsOpenAsync());
    }

    private TestServer Create(
        TimeProvider clock, ConnectionDelegate handler, Action<PeregrineOptions>? options = null,
        Func<IConnectionListenerFactory, IConnectionListenerFactory>? transport = null) => new(
        builder => builder.Listen("test", "tcp://127.0.0.1:0", tcp => tcp.Run(connection => handler(connection))).Configure(all => options?.Invoke(all)),
        new Dictionary<string, string?> { ["Peregrine:Health:Url"] = $"tcp://{_port}" }, clock, transport: transport);

    private Task UntilAsync(bool isOpen) => UntilOpenIsAsync(isOpen).InTimeAsync();

    private async Task UntilOpenIsAsync(bool isOpen)
    {
        while (await IsOpenAsync() != isOpen)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    /// <summary>A client is accepted, and sees a clean end at once.</summary>
    private async Task<bool> IsOpenAsync()
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(_port).InTimeAsync();
            return await client.ReceiveAsync(new byte[1]).InTimeAsync() == 0;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset)
        {
            return false; // Reset: it was queued when the port was closed.
        }
    }

    /// <summary>Its listeners throw when they are asked, while they are broken.</summary>
    private sealed class BrokenTransport(IConnectionListenerFactory inner, Func<bool> isBroken) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new Listener(await inner.BindAsync(endpoint, cancellationToken), isBroken);

        private sealed class Listener(IConnectionListener inner, Func<bool> isBroken) : IConnectionListener, IConnectionListenerStatus
        {
            public EndPoint EndPoint => inner.EndPoint;

            public int? QueuedConnections => null;

            public SocketError? AcceptError => isBroken() ? throw new InvalidOperationException("The listener is broken.") : null;

            public Action<SocketError>? AcceptFailed { get; set; }

            public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) => inner.AcceptAsync(cancellationToken);

            public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
