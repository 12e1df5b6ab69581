using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Admission;
using Peregrine.Server.Tests.Admission;

namespace Peregrine.Server.Tests.Stop;

public sealed class ServerStopTests
{
    private const int Stopped = 3;
    private const int DrainDeadline = 4;
    private const int LeftBehind = 5;

    [Fact]
    public async Task Handlers_are_asked_to_end_and_waited_for()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(async connection =>
        {
            using var registration = connection.CloseRequested().Register(asked.SetResult);
            await finish.Task;
            await connection.SendAsync("goodbye");
        });
        var client = await server.ConnectAsync();
        await WaitForStartAsync(server);
        var stop = server.StopAsync();
        await asked.Task.InTimeAsync();
        Assert.False(stop.IsCompleted);
        finish.SetResult();
        Assert.Equal("goodbye", await client.ReceiveToEndAsync());
        await stop;
        Assert.Contains("Stopped: 1 connections", Assert.Single(server.Log.WithId(Stopped)).Message, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Nobody_can_connect_after_the_stop()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        var address = server.Server.Endpoints[0].Addresses[0];
        await server.StopAsync();
        await Assert.ThrowsAsync<SocketException>(() => server.ConnectAsync(address));
    }

    [Fact]
    public async Task A_handler_that_does_not_end_is_reset_at_the_timeout_and_not_before()
    {
        var clock = new FakeTimeProvider();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(
            async connection =>
            {
                using var registration = connection.CloseRequested().Register(asked.SetResult);
                while (true)
                {
                    var read = await connection.Transport.Input.ReadAsync(CancellationToken.None);
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                }
            },
            clock);
        var client = await server.ConnectAsync();
        await WaitForStartAsync(server);
        var stop = server.StopAsync();
        await asked.Task.InTimeAsync();
        clock.Advance(TimeSpan.FromSeconds(24));
        await SettleAsync();
        Assert.False(stop.IsCompleted);
        Assert.Empty(server.Log.WithId(DrainDeadline));

        await AdvanceUntilAsync(clock, stop);
        await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        var warning = Assert.Single(server.Log.WithId(DrainDeadline));
        Assert.Contains("Peregrine:ShutdownTimeout", warning.Message, StringComparison.Ordinal);
        Assert.Contains("1 of them were reset", Assert.Single(server.Log.WithId(Stopped)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_ignores_even_the_reset_does_not_hold_the_stop_up()
    {
        var clock = new FakeTimeProvider();
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(_ => never.Task, clock, TimeSpan.Zero);
        var client = await server.ConnectAsync();
        await WaitForStartAsync(server);
        await AdvanceUntilAsync(clock, server.StopAsync());
        Assert.Single(server.Log.WithId(LeftBehind));
        never.SetResult();
        await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
    }

    [Fact]
    public async Task A_connection_that_is_accepted_after_the_deadline_is_reset_too()
    {
        var transport = new Peregrine.Testing.InMemoryTransport();
        await using var listener = await transport.BindAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        using var admission = new TestAdmission();
        var tracker = new Peregrine.Server.Connections.ConnectionTracker(new(
            "test", "tcp", Handlers.EchoAsync, TimeSpan.Zero, admission.Endpoint, Timeouts.SupervisedServer.WithoutHeartbeat("test", admission.Metrics), admission.Metrics,
            TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance));
        tracker.RequestClose();
        tracker.Abort();
        await using var client = await transport.ConnectAsync(listener.EndPoint);
        Assert.True(admission.Endpoint.TryTakePlace());
        tracker.Start((await listener.AcceptAsync())!, PeerNetwork.None);
        await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        await tracker.WaitAsync(0, CancellationToken.None).InTimeAsync();
    }

    [Fact]
    public async Task A_connection_that_cannot_be_scheduled_is_not_waited_for()
    {
        var transport = new Peregrine.Testing.InMemoryTransport();
        await using var listener = await transport.BindAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        using var admission = new TestAdmission();
        var tracker = new Peregrine.Server.Connections.ConnectionTracker(new(
            "test", "tcp", Handlers.EchoAsync, TimeSpan.Zero, admission.Endpoint, Timeouts.SupervisedServer.WithoutHeartbeat("test", admission.Metrics), admission.Metrics,
            TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance));
        await using var client = await transport.ConnectAsync(listener.EndPoint);
        await using var connection = (await listener.AcceptAsync())!;
        connection.Features.Set<Peregrine.Features.IConnectionSchedulingFeature>(new Refusing());
        Assert.Throws<NotSupportedException>(() => tracker.Start(connection, PeerNetwork.None));
        Assert.Equal(0, tracker.Count);
        connection.Abort();
    }

    [Fact]
    public async Task The_hosts_own_deadline_cuts_the_wait_short()
    {
        await using var server = await TestServer.StartAsync(async connection => await connection.Transport.Input.ReadAsync(CancellationToken.None));
        var client = await server.ConnectAsync();
        await WaitForStartAsync(server);
        using var deadline = new CancellationTokenSource();
        var stop = server.StopAsync(deadline.Token);
        await SettleAsync();
        Assert.False(stop.IsCompleted);
        await deadline.CancelAsync();
        await stop;
        await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        Assert.Contains("the host's time", Assert.Single(server.Log.WithId(DrainDeadline)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_services_stop_after_the_connections()
    {
        var other = new OtherService();
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stoppedAtTheEnd = true;
        await using var server = new TestServer(
            builder => builder.Listen("tcp://127.0.0.1:0", tcp => tcp.Run(async _ =>
            {
                await finish.Task;
                stoppedAtTheEnd = other.Stopped;
            })),
            services: services => services.AddSingleton<IHostedService>(other));
        await server.StartAsync();
        Assert.True(other.BoundAtStart(server.Server));
        await server.ConnectAsync();
        await WaitForStartAsync(server);
        var stop = server.StopAsync();
        await SettleAsync();
        finish.SetResult();
        await stop;
        Assert.False(stoppedAtTheEnd);
        Assert.True(other.Stopped);
    }

    [Fact]
    public async Task The_host_is_given_the_time_that_the_stop_needs()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync, shutdownTimeout: TimeSpan.FromMinutes(3));
        var options = server.Host.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<HostOptions>>().Value;
        Assert.Equal(TimeSpan.FromSeconds(185), options.ShutdownTimeout);
    }

    [Fact]
    public async Task A_host_that_waits_for_ever_is_left_so()
    {
        await using var server = new TestServer(
            builder => builder.Listen("tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)),
            services: services => services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan));
        var options = server.Host.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<HostOptions>>().Value;
        Assert.Equal(Timeout.InfiniteTimeSpan, options.ShutdownTimeout);
    }

    private static async Task WaitForStartAsync(TestServer server)
    {
        for (var i = 0; i < 12_000 && server.Log.WithId(9).Count == 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.NotEmpty(server.Log.WithId(9));
    }

    private static async Task AdvanceUntilAsync(FakeTimeProvider clock, Task stop)
    {
        for (var i = 0; i < 200 && !stop.IsCompleted; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await SettleAsync();
        }

        await stop.InTimeAsync();
    }

    private static Task SettleAsync() => Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);

    private sealed class OtherService : IHostedService
    {
        public bool Stopped { get; private set; }

        public bool Started { get; private set; }

        public bool BoundAtStart(PeregrineServer server) => Started && server.Endpoints.Count == 1;

        public Task StartAsync(CancellationToken cancellationToken)
        {
            Started = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            Stopped = true;
            return Task.CompletedTask;
        }
    }

    private sealed class Refusing : Peregrine.Features.IConnectionSchedulingFeature
    {
        public void Schedule(IThreadPoolWorkItem work) => throw new NotSupportedException();
    }
}
