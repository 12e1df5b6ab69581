using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>A run of every refusal of which everything is known, with a listener that fails, and every number that comes of it.</summary>
public sealed class ScriptedRefusalsTests
{
    private const string Meter = "peregrine.server.";

    [Fact]
    public async Task A_run_with_known_refusals_and_errors_of_accepting_gives_exactly_the_expected_numbers()
    {
        await using var server = new TestServer(
            builder => builder
                .Listen("test", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync))
                .Listen("narrow", "tcp://127.0.0.1:0", tcp => tcp.UseConcurrencyLimit(1).Run(Handlers.EchoAsync))
                .Listen("denied", "tcp://127.0.0.1:0", static endpoint => endpoint.Addresses.Deny.Add(IPNetwork.Parse("127.0.0.0/8")), tcp => tcp.Run(Handlers.EchoAsync))
                .Listen(
                    "proxied", "tcp://127.0.0.1:0", static endpoint => endpoint.ProxyProtocol = new ProxyProtocolOptions { DangerousTrustAnySender = true },
                    tcp => tcp.Run(Handlers.EchoAsync))
                .Listen(
                    "untrusting", "tcp://127.0.0.1:0",
                    static endpoint => endpoint.ProxyProtocol = new ProxyProtocolOptions { TrustedNetworks = { IPNetwork.Parse("192.0.2.0/24") } },
                    tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { ["Peregrine:Limits:MaxConnectionsPerAddress"] = "3" },
            transport: transport => new FailingTransport(transport));
        using var meter = new RecordedMeter(server);
        await server.StartAsync();

        // Two errors, of which each listener tells in its own way, before the first connection.
        var first = await EchoAsync(Endpoint(server, 0));
        await EchoAsync(Endpoint(server, 0));
        var third = await EchoAsync(Endpoint(server, 1));
        for (var i = 0; i < 4; i++)
        {
            await IsResetAsync(Endpoint(server, 0));
        }

        await CloseAsync(first, 2);
        for (var i = 0; i < 2; i++)
        {
            await IsResetAsync(Endpoint(server, 1)); // Of those that were accepted: it is the pipeline that has no place.
            await SupervisedServer.UntilAsync(() => server.Server.Endpoints.Sum(endpoint => endpoint.Connections) == 2);
        }

        await IsResetAsync(Endpoint(server, 2));
        await IsResetAsync(Endpoint(server, 3), "GET / HTTP/1.1\r\n");
        await SupervisedServer.UntilAsync(() => server.Server.Endpoints.Sum(endpoint => endpoint.Connections) == 2);
        var proxied = await server.ConnectAsync(Endpoint(server, 3));
        await proxied.SendAsync("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello");
        Assert.Equal("hello", await proxied.ReceiveAsync(5));
        await CloseAsync(proxied, 2);
        await IsResetAsync(Endpoint(server, 4));
        await CloseAsync(third, 1);
        await server.StopAsync();

        Assert.Equal(
            [
                "denied rejected_address 1", "narrow rejected_concurrency 2", "test rejected_connections_per_address 4",
            ],
            By(meter, "connections.rejected", "peregrine.close.reason"));
        Assert.Equal(["proxied no_header 1", "untrusting untrusted_sender 1"], By(meter, "proxy_protocol.rejected", "error.type"));
        var errors = from endpoint in (string[])["denied", "narrow", "proxied", "test", "untrusting"]
                     from error in (string[])["InvalidOperationException", "TooManyOpenSockets"]
                     select $"{endpoint} {error} 1";
        Assert.Equal(errors, By(meter, "accept.errors", "error.type"));
        Assert.Equal(["narrow tcp 3", "proxied tcp 2", "test tcp 2", "untrusting tcp 1"], By(meter, "connections.accepted", "network.transport"));
        Assert.Equal(["narrow tcp 3", "proxied tcp 2", "test tcp 2", "untrusting tcp 1"], By(meter, "connection.duration", "network.transport"));
        Assert.Equal(0, meter.Observe(Meter + "connections.active").Sum(static one => one.Value));

        async Task<ConnectionContext> EchoAsync(EndPoint address)
        {
            var client = await server.ConnectAsync(address);
            await client.SendAsync("hello");
            Assert.Equal("hello", await client.ReceiveAsync(5));
            return client;
        }

        async Task CloseAsync(ConnectionContext client, int left)
        {
            await client.Transport.Output.CompleteAsync();
            await SupervisedServer.UntilAsync(() => server.Server.Endpoints.Sum(endpoint => endpoint.Connections) == left);
        }

        async Task IsResetAsync(EndPoint address, string? text = null)
        {
            var client = await server.ConnectAsync(address);
            if (text is not null)
            {
                await client.SendAsync(text);
            }

            await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        }
    }

    private static EndPoint Endpoint(TestServer server, int index) => server.Server.Endpoints[index].Addresses[0];

    /// <summary>As "endpoint tag count".</summary>
    private static IEnumerable<string> By(RecordedMeter meter, string instrument, string tag) => meter.Recorded(Meter + instrument)
        .GroupBy(one => $"{one.Tags["peregrine.endpoint"]} {one.Tags[tag]}").Select(static group => $"{group.Key} {group.Count()}").Order(StringComparer.Ordinal);

    /// <summary>The first call of each listener throws, the second tells of an error that it gets over by itself.</summary>
    private sealed class FailingTransport(IConnectionListenerFactory inner) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new Listener(await inner.BindAsync(endpoint, cancellationToken));

        private sealed class Listener(IConnectionListener inner) : IConnectionListener, IConnectionListenerStatus
        {
            private int _calls;

            public EndPoint EndPoint => inner.EndPoint;

            public int? QueuedConnections => 0;

            public SocketError? AcceptError => null;

            public Action<SocketError>? AcceptFailed { get; set; }

            public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
            {
                switch (Interlocked.Increment(ref _calls))
                {
                    case 1:
                        throw new InvalidOperationException("It fails once.");
                    case 2:
                        AcceptFailed?.Invoke(SocketError.TooManyOpenSockets);
                        break;
                }

                return inner.AcceptAsync(cancellationToken);
            }

            public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
