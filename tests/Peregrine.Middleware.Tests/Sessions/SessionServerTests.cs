using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Server;
using Peregrine.Server.Datagrams;

namespace Peregrine.Middleware.Tests.Sessions;

/// <summary>Sessions on a server, over sockets.</summary>
public sealed class SessionServerTests
{
    [Theory]
    [InlineData(ConnectionScheduling.ThreadPool)]
    [InlineData(ConnectionScheduling.Inline)]
    public async Task Peers_prove_their_address_are_echoed_and_are_told_of_the_stop(ConnectionScheduling scheduling)
    {
        const int Peers = 20;
        const int Echoes = 50;
        var cookies = new DatagramCookies();
        var delivered = 0;
        using var host = await StartAsync(
            options => options.Scheduling = scheduling,
            udp => udp.UseSessions(
                options => options.Admit = request =>
                {
                    if (cookies.IsValid(request.Payload, request.RemoteAddress))
                    {
                        return DatagramSessionAdmission.AcceptValidated;
                    }

                    Span<byte> cookie = stackalloc byte[DatagramCookies.SizeInBytes];
                    cookies.TryWrite(cookie, request.RemoteAddress);
                    request.TryAnswer(cookie);
                    return DatagramSessionAdmission.Refuse;
                },
                async session =>
                {
                    await foreach (var datagram in session)
                    {
                        Interlocked.Increment(ref delivered);
                        await session.SendAsync(datagram.Payload);
                    }

                    Assert.Equal(DatagramSessionEndReason.Stopping, session.EndReason);
                    session.TrySend("bye"u8);
                }));
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        var clients = Enumerable.Range(0, Peers).Select(_ => Connect((IPEndPoint)endpoint.Addresses[0])).ToList();
        await Task.WhenAll(clients.Select(async client =>
        {
            await client.SendAsync(new byte[32]);
            var cookie = await ReceiveAsync(client);
            Assert.Equal(DatagramCookies.SizeInBytes, cookie.Length);
            Assert.Equal(cookie, await AskAsync(client, cookie));
            for (byte i = 0; i < Echoes; i++)
            {
                Assert.Equal([i, 1, 2], await AskAsync(client, [i, 1, 2]));
            }
        })).Bounded();
        var stopping = host.StopAsync();
        foreach (var client in clients)
        {
            Assert.Equal("bye"u8.ToArray(), await ReceiveAsync(client).Bounded());
            client.Dispose();
        }

        await stopping.Bounded();
        var counters = endpoint.Datagrams!;
        Assert.Equal(Peers * (Echoes + 1), delivered);
        Assert.Equal(Peers, counters.GetDropped(DatagramDropReason.SessionRefused));
        Assert.Equal(counters.Received, delivered + counters.GetDropped(DatagramDropReason.SessionRefused));
    }

    [Fact]
    public async Task An_idle_session_ends_by_the_heartbeat_of_its_endpoint()
    {
        var ended = new TaskCompletionSource<DatagramSessionEndReason?>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var host = await StartAsync(static _ => { }, udp => udp.UseSessions(
            static options => options.IdleTimeout = TimeSpan.FromSeconds(1),
            async session =>
            {
                await foreach (var datagram in session)
                {
                }

                ended.SetResult(session.EndReason);
            }));
        using var client = Connect((IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]);
        await client.SendAsync(new byte[1]);
        Assert.Equal(DatagramSessionEndReason.Idle, await ended.Task.Bounded());
        await host.StopAsync().Bounded();
    }

    [Fact]
    public async Task A_session_outlives_a_suspension_and_what_is_sent_meanwhile_is_dropped_and_counted()
    {
        var session = new TaskCompletionSource<DatagramSession>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var host = await StartAsync(static _ => { }, udp => udp.UseSessions(
            static options => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated,
            async begun =>
            {
                session.SetResult(begun);
                await foreach (var datagram in begun)
                {
                    begun.TrySend(datagram.Payload.Span);
                }
            }));
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        using var client = Connect((IPEndPoint)endpoint.Addresses[0]);
        Assert.Equal([1], await AskAsync(client, [1]).Bounded());
        await endpoint.SuspendAsync().Bounded();
        var played = await session.Task.Bounded();
        Assert.False(played.TrySend([2]));
        Assert.False(await played.SendAsync(new byte[] { 2 }));
        Assert.Equal(2, endpoint.Datagrams!.GetDropped(DatagramDropReason.SendFailed));
        await endpoint.ResumeAsync().Bounded();
        Assert.Equal([3], await AskAsync(client, [3]).Bounded());
        Assert.True(played.TrySend([4]));
        Assert.Equal([4], await ReceiveAsync(client).Bounded());
        await host.StopAsync().Bounded();
    }

    private static async Task<IHost> StartAsync(Action<DatagramEndpointOptions> options, Action<IDatagramBuilder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server
            .ListenUdp("test", "udp://127.0.0.1:0", options, configure)
            .Configure(static peregrine => peregrine.ThrowOnStartFailure = true));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private static Socket Connect(IPEndPoint server)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Connect(server);
        return client;
    }

    private static async Task<byte[]> AskAsync(Socket client, byte[] payload)
    {
        await client.SendAsync(payload);
        return await ReceiveAsync(client);
    }

    private static async Task<byte[]> ReceiveAsync(Socket client)
    {
        var buffer = new byte[2048];
        return buffer[..await client.ReceiveAsync(buffer)];
    }
}
