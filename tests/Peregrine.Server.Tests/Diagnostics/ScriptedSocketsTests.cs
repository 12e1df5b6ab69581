using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Middleware;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>A run over real sockets of which everything is known, by a clock that only the test moves: what needs TLS, or a kernel whose buffers fill.</summary>
public sealed class ScriptedSocketsTests
{
    private const string Meter = "peregrine.server.";
    private const int Large = 16 << 20;

    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task A_run_with_known_handshakes_and_peers_that_do_not_read_gives_exactly_the_expected_numbers()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<TimeProvider>(_clock);
        builder.Services.AddPeregrine(server => server
            .Listen("tls", "tcp://127.0.0.1:0", tcp => tcp.UseTls(certificate).Run(Handlers.EchoAsync))
            .Listen(
                "large", "tcp://127.0.0.1:0", static endpoint => endpoint.Timeouts.WriteProgress = TimeSpan.FromSeconds(5),
                tcp => tcp.Run(static async connection =>
                {
                    await connection.Transport.Output.WriteAsync(new byte[Large]);
                    await connection.Transport.Input.ReadAsync();
                }))
            .Configure(static all => (all.ThrowOnStartFailure, all.ShutdownTimeout) = (true, TimeSpan.FromSeconds(2))));
        using var host = builder.Build();
        using var meter = new RecordedMeter(host.Services);
        await host.StartAsync().InTimeAsync();
        var server = host.Services.GetRequiredService<PeregrineServer>();

        foreach (var version in (SslProtocols[])[SslProtocols.Tls12, SslProtocols.Tls13, SslProtocols.Tls13])
        {
            using var peer = await ConnectAsync(server, 0);
            await using var tls = new SslStream(new NetworkStream(peer));
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "localhost", EnabledSslProtocols = version, RemoteCertificateValidationCallback = (_, presented, _, _) => presented!.GetCertHashString() == certificate.GetCertHashString(),
            }).InTimeAsync();
            await tls.WriteAsync("hello"u8.ToArray());
            await tls.ReadExactlyAsync(new byte[5]).AsTask().InTimeAsync();
            await tls.ShutdownAsync(); // The handler's end of the stream: it returns before the connection has its own.
            Assert.Equal(0, await tls.ReadAsync(new byte[1]).AsTask().InTimeAsync());
            peer.Shutdown(SocketShutdown.Send);
            await UntilLeftAsync(0);
        }

        using (var stranger = await ConnectAsync(server, 0))
        {
            await stranger.SendAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
            await SupervisedServer.UntilAsync(() => meter.Recorded(Meter + "tls.handshake.duration").Count == 4);
        }

        await UntilLeftAsync(0);
        using (await ConnectAsync(server, 0))
        {
            await UntilLeftAsync(1);
            await PassUntilAsync(() => meter.Recorded(Meter + "tls.handshake.duration").Count == 5); // It says nothing.
            await UntilLeftAsync(0);
        }

        using var slow = await ConnectAsync(server, 1);
        await SupervisedServer.UntilAsync(() => meter.Observe(Meter + "connection.write.bytes").Any(static one => one is { Value: > 0, Tags: var tags } && "large".Equals(tags["peregrine.endpoint"])));
        Assert.Equal(0, Sum("backpressure.duration"));
        await PassUntilAsync(() => meter.Recorded(Meter + "connections.timed_out").Count == 2);
        await UntilLeftAsync(0);
        Assert.InRange(Sum("backpressure.duration"), 5, 15); // The five seconds begin again if the kernel takes a little more.

        using var last = await ConnectAsync(server, 1);
        await UntilLeftAsync(1);
        Assert.Equal((2, 1), (SocketsIn("listen"), SocketsIn("established"))); // The peer's end has another port.
        var stop = host.StopAsync();
        await PassUntilAsync(() => stop.IsCompleted);
        await stop.InTimeAsync();

        Assert.Equal(["tls 1.2 1", "tls 1.3 2", "tls handshake 1", "tls timeout 1"], By("tls.handshake.duration", "tls.protocol.version", "error.type"));
        Assert.Equal(["large write_timeout 1", "tls handshake_timeout 1"], By("connections.timed_out", "peregrine.close.reason"));
        Assert.Equal(["large tcp 2"], By("connections.aborted_unflushed", "network.transport"));
        Assert.Equal(
            ["large drain_deadline 1", "large write_timeout 1", "tls handler_completed 3", "tls handshake_failed 1", "tls handshake_timeout 1"],
            By("connection.duration", "peregrine.close.reason"));
        Assert.Equal(["large tcp 2", "tls tcp 5"], By("connections.accepted", "network.transport"));
        Assert.Empty(meter.Recorded(Meter + "connections.rejected"));
        Assert.Empty(meter.Recorded(Meter + "accept.errors"));
        Assert.Equal(0, Sum("connections.active"));
        Assert.Equal(0, Sum("accept.queue.overflows"));
        Assert.Equal(0, Sum("drain.remaining"));
        Assert.InRange(Sum("pool.rented"), 0, Sum("pool.allocated"));

        double Sum(string instrument) => meter.Observe(Meter + instrument).Sum(static one => one.Value);

        double SocketsIn(string state) => meter.Observe(Meter + "tcp.sockets").Where(one => state.Equals(one.Tags["network.connection.state"])).Sum(static one => one.Value);

        // As "endpoint tag count", with the first of the tags that there is.
        IEnumerable<string> By(string instrument, params string[] tags) => meter.Recorded(Meter + instrument)
            .GroupBy(one => $"{one.Tags["peregrine.endpoint"]} {tags.Select(tag => one.Tags.GetValueOrDefault(tag)).First(static value => value is not null)}")
            .Select(static group => string.Create(CultureInfo.InvariantCulture, $"{group.Key} {group.Count()}")).Order(StringComparer.Ordinal);

        Task UntilLeftAsync(int left) => SupervisedServer.UntilAsync(() => server.Endpoints.Sum(static endpoint => endpoint.Connections) == left);

        async Task PassUntilAsync(Func<bool> condition)
        {
            for (var i = 0; i < 200 && !condition(); i++)
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
                for (var k = 0; k < 20 && !condition(); k++)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
                }
            }

            Assert.True(condition());
        }
    }

    private static async Task<Socket> ConnectAsync(PeregrineServer server, int endpoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync((IPEndPoint)server.Endpoints[endpoint].Addresses[0]).InTimeAsync();
        return client;
    }
}
