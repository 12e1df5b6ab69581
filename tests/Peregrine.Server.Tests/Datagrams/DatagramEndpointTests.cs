using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Server.Tests.Datagrams;

public sealed class DatagramEndpointTests
{
    private const int Listening = 1;
    private const int Budget = 27;
    private const int HandlerFailed = 50;
    private const int HeartbeatFailed = 52;

    [Fact]
    public async Task A_server_of_datagrams_alone_starts_answers_and_stops()
    {
        await using var server = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync));
        await server.StartAsync();
        Assert.Equal(ServerState.Running, server.Server.State);
        var endpoint = Assert.Single(server.Server.Endpoints);
        Assert.Equal(("test", "udp://127.0.0.1:0", 0), (endpoint.Name, endpoint.Url, endpoint.Connections));
        Assert.Equal($"Listening on udp://{Assert.Single(endpoint.Addresses)} (endpoint \"test\")", Assert.Single(server.Log.WithId(Listening)).Message);
        Assert.Null(server.Server.CountSockets());
        Assert.Empty(server.Log.WithId(Budget));

        using var client = server.Datagrams.CreateClient();
        client.Send("hello"u8, server.AddressOf());
        Assert.Equal("hello", await client.ReceiveTextAsync());
        await server.StopAsync();
        Assert.Equal(ServerState.Stopped, server.Server.State);
        Assert.False(client.Send("late"u8, server.AddressOf()));
    }

    [Fact]
    public async Task Both_kinds_live_in_one_server_under_names_of_one_list()
    {
        await using var server = new TestServer(builder => builder
            .Listen("echo", "tcp://127.0.0.1:7000", tcp => tcp.Run(Handlers.EchoAsync))
            .ListenUdp("echo-udp", "udp://127.0.0.1:7000", udp => udp.Run(DatagramServer.EchoAsync)));
        await server.StartAsync();
        Assert.Equal(["echo", "echo-udp"], server.Server.Endpoints.Select(endpoint => endpoint.Name));
        Assert.Null(server.Server.Endpoints[0].Datagrams);
        var stream = await server.ConnectAsync();
        await stream.SendAsync("stream");
        Assert.Equal("stream", await stream.ReceiveAsync(6));
        using var client = server.Datagrams.CreateClient();
        client.Send("datagram"u8, server.AddressOf(1));
        Assert.Equal("datagram", await client.ReceiveTextAsync());

        await using var twice = new TestServer(builder => builder
            .Listen("Echo", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync))
            .ListenUdp("echo", "udp://127.0.0.1:0", udp => udp.Run(DatagramServer.EchoAsync)));
        Assert.Contains("\"echo\" is defined twice", (await twice.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_are_bound_or_none()
    {
        var taken = new IPEndPoint(IPAddress.Loopback, 7001);
        await using var server = new TestServer(builder => builder
            .Listen("tcp", "tcp://127.0.0.1:7000", tcp => tcp.Run(Handlers.EchoAsync))
            .ListenUdp("first", "udp://127.0.0.1:7000", udp => udp.Run(DatagramServer.EchoAsync))
            .ListenUdp("second", "udp://127.0.0.1:7001", udp => udp.Run(DatagramServer.EchoAsync)));
        using var owner = server.Datagrams.CreateClient(taken);
        var failure = await server.StartAndFailAsync();
        Assert.Equal(
            "ListenUdp = \"udp://127.0.0.1:7001\" (endpoint \"second\"): the address 127.0.0.1:7001 is in use; stop the process that uses it, or choose another port.",
            failure.Message);
        Assert.Empty(server.Server.Endpoints);
        await using var free = await server.Datagrams.BindAsync(new IPEndPoint(IPAddress.Loopback, 7000));
        await Assert.ThrowsAsync<SocketException>(() => server.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 7000)));
    }

    [Fact]
    public async Task Middleware_runs_in_order_and_a_handler_class_comes_from_the_services()
    {
        var calls = new List<string>();
        await using var server = new TestServer(
            builder => builder.ListenUdp("udp://127.0.0.1:0", udp => udp
                .Use(next => (batch, sender) =>
                {
                    calls.Add("first");
                    return next(batch, sender);
                })
                .Use((batch, sender, next) =>
                {
                    calls.Add("second");
                    return next(batch, sender);
                })
                .UseDatagramHandler<Injected>()),
            services: services => services.AddSingleton(calls));
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        client.Send("x"u8, server.AddressOf());
        Assert.Equal("injected", await client.ReceiveTextAsync());
        await server.StopAsync();
        Assert.Equal(["first", "second", "handler", "disposed"], calls);
    }

    [Fact]
    public async Task A_handler_that_is_registered_is_taken_as_it_is()
    {
        var calls = new List<string>();
        var handler = new Injected(calls);
        await using var server = new TestServer(
            builder => builder.ListenUdp("udp://127.0.0.1:0", udp => udp.UseDatagramHandler<Injected>()),
            services: services => services.AddSingleton(handler));
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        client.Send("x"u8, server.AddressOf());
        Assert.Equal("injected", await client.ReceiveTextAsync());
        await server.StopAsync();
        Assert.Equal(["handler"], calls);
    }

    [Fact]
    public async Task A_pipeline_that_cannot_work_fails_the_start()
    {
        await using var empty = DatagramServer.Create(_ => { });
        Assert.Contains("has no handler; add udp.Run", (await empty.StartAndFailAsync()).Message, StringComparison.Ordinal);
        await using var missing = DatagramServer.Create(udp => udp.UseDatagramHandler<Injected>());
        Assert.StartsWith("The pipeline of the endpoint \"test\" cannot be built", (await missing.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_that_fails_costs_its_batch_and_is_logged_once_a_minute(bool afterAnAwait)
    {
        var clock = new FakeTimeProvider();
        await using var server = DatagramServer.Create(
            udp => udp.Run(async (batch, sender) =>
            {
                if (afterAnAwait)
                {
                    await Task.Yield();
                }

                if (batch[0].Payload.Length == 3)
                {
                    throw new InvalidOperationException("A bad one.");
                }

                await DatagramServer.EchoAsync(batch, sender);
            }),
            clock: clock);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        for (var i = 0; i < 3; i++)
        {
            client.Send("bad"u8, server.AddressOf());
            await UntilAsync(() => server.Counters().GetDropped(DatagramDropReason.HandlerFailed) == i + 1);
        }

        client.Send("good"u8, server.AddressOf());
        Assert.Equal("good", await client.ReceiveTextAsync());
        Assert.Equal(4, server.Counters().Received);
        var entry = Assert.Single(server.Log.WithId(HandlerFailed));
        Assert.Equal((LogLevel.Error, "A bad one."), (entry.Level, entry.Exception?.Message));
        clock.Advance(TimeSpan.FromMinutes(1));
        client.Send("bad"u8, server.AddressOf());
        await UntilAsync(() => server.Log.WithId(HandlerFailed).Count == 2);
        Assert.Contains("3 batches", server.Log.WithId(HandlerFailed)[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Addresses_that_may_not_send_are_dropped_and_counted_and_the_rules_can_change()
    {
        await using var server = DatagramServer.Create(
            udp => udp.Run(DatagramServer.EchoAsync),
            new()
            {
                ["Peregrine:Endpoints:test:Url"] = "udp://*:7000",
                ["Peregrine:Endpoints:test:Addresses:Allow:0"] = "10.0.0.0/8",
                ["Peregrine:Endpoints:test:Addresses:Allow:1"] = "2001:db8::/32",
            });
        await server.StartAsync();
        var to = new DatagramAddress(0x7F000001, 7000);
        using var stranger = server.Datagrams.CreateClient(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1));
        using var known = server.Datagrams.CreateClient(new IPEndPoint(IPAddress.Parse("10.1.2.3"), 1));
        using var known6 = server.Datagrams.CreateClient(new IPEndPoint(IPAddress.Parse("2001:db8::1"), 1));
        stranger.Send("lost"u8, to);
        stranger.Send("lost"u8, to);
        known.Send("one"u8, to);
        known6.Send("six"u8, to);
        Assert.Equal("one", await known.ReceiveTextAsync());
        Assert.Equal("six", await known6.ReceiveTextAsync());
        Assert.False(stranger.TryReceive(out _));
        Assert.Equal(2, server.Counters().GetDropped(DatagramDropReason.RejectedAddress));

        var configuration = (IConfigurationRoot)server.Host.Services.GetRequiredService<IConfiguration>();
        configuration["Peregrine:Endpoints:test:Addresses:Allow:0"] = "192.0.2.1";
        configuration.Reload();
        stranger.Send("now"u8, to);
        Assert.Equal("now", await stranger.ReceiveTextAsync());
        known.Send("lost"u8, to);
        await UntilAsync(() => server.Counters().GetDropped(DatagramDropReason.RejectedAddress) == 3);
    }

    [Fact]
    public async Task Suspended_it_handles_what_is_queued_and_gives_its_address_up_until_it_is_resumed()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(udp => udp.Run(async (batch, sender) =>
        {
            await gate.Task;
            await DatagramServer.EchoAsync(batch, sender);
        }));
        await server.StartAsync();
        var endpoint = server.Server.Endpoints[0];
        using var client = server.Datagrams.CreateClient();
        for (var i = 0; i < 10; i++)
        {
            client.Send([(byte)('0' + i)], server.AddressOf());
        }

        var suspended = endpoint.SuspendAsync();
        Assert.False(suspended.IsCompleted);
        gate.SetResult();
        await suspended.InTimeAsync();
        Assert.True(endpoint.IsSuspended);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal($"{i}", await client.ReceiveTextAsync());
        }

        Assert.False(client.Send("nobody"u8, server.AddressOf()));
        await (await server.Datagrams.BindAsync(endpoint.Addresses[0])).DisposeAsync();

        await endpoint.ResumeAsync();
        await endpoint.ResumeAsync();
        Assert.False(endpoint.IsSuspended);
        client.Send("again"u8, server.AddressOf());
        Assert.Equal("again", await client.ReceiveTextAsync());
        Assert.Equal(11, endpoint.Datagrams!.Received);

        await endpoint.SuspendAsync();
        await server.StopAsync();
        await endpoint.ResumeAsync();
        Assert.True(endpoint.IsSuspended);
    }

    [Fact]
    public async Task Suspended_it_waits_until_the_network_has_taken_the_answers()
    {
        await using var server = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync));
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        server.Datagrams.IsCongested = true;
        client.Send("hello"u8, server.AddressOf());
        await UntilAsync(() => server.Counters().Received == 1);
        var suspended = server.Server.Endpoints[0].SuspendAsync();
        Assert.False(suspended.IsCompleted);
        server.Datagrams.IsCongested = false;
        await suspended.InTimeAsync();
        Assert.Equal("hello", await client.ReceiveTextAsync());
        Assert.Equal(0, server.Counters().GetDropped(DatagramDropReason.SendFailed));
    }

    [Fact]
    public async Task The_heartbeat_calls_each_second_never_twice_at_a_time_and_survives_what_throws()
    {
        var clock = new FakeTimeProvider();
        var beats = 0;
        using var gate = new SemaphoreSlim(0);
        await using var server = DatagramServer.Create(
            udp => udp.OnHeartbeat(() => throw new InvalidOperationException("No beat."))
                .OnHeartbeat(() =>
                {
                    Interlocked.Increment(ref beats);
                    Assert.True(gate.Wait(TestServer.Limit));
                })
                .Run(DatagramServer.EchoAsync),
            clock: clock);
        await server.StartAsync();
        clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(() => Volatile.Read(ref beats) == 1);
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(1, beats);
        gate.Release();
        for (var i = 0; Volatile.Read(ref beats) < 2 && i < 1_000; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.Equal(2, beats);
        gate.Release(100);
        Assert.Equal("No beat.", server.Log.WithId(HeartbeatFailed)[0].Exception?.Message);
    }

    [Fact]
    public async Task Nothing_can_be_added_to_a_pipeline_that_is_built()
    {
        IDatagramBuilder? kept = null;
        await using var server = DatagramServer.Create(udp => kept = udp.Run(DatagramServer.EchoAsync));
        await server.StartAsync();
        Assert.Equal("test", kept!.EndpointName);
        Assert.Throws<InvalidOperationException>(() => kept.OnHeartbeat(() => { }));
        Assert.Throws<InvalidOperationException>(() => kept.OnStopping(_ => Task.CompletedTask));
        Assert.Throws<InvalidOperationException>(() => kept.Use(next => next));
    }

    internal static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 12_000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.True(condition());
    }

    private sealed class Injected(List<string> calls) : DatagramHandler, IDisposable
    {
        public override ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
        {
            calls.Add("handler");
            return sender.SendAsync("injected"u8.ToArray(), batch[0].Path);
        }

        public void Dispose() => calls.Add("disposed");
    }
}
