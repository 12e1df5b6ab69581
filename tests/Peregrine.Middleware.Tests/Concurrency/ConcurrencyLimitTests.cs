using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Concurrency;

public sealed class ConcurrencyLimitTests : IDisposable
{
    private readonly RecordedLog _log = new(LogLevel.Debug);
    private readonly List<(ConnectionContext Connection, TaskCompletionSource Done)> _inside = [];

    [Fact]
    public async Task So_many_are_in_at_once_so_many_wait_in_turn_and_the_rest_are_reset_and_counted()
    {
        await using var services = Pipeline.Services(_log);
        var rejected = Pipeline.CountRejected(services, out var listener);
        using var _ = listener;
        await using var pipeline = Pipeline.Build(services, builder => builder.UseConcurrencyLimit(2, queue: 2), StayAsync);
        var runs = new List<Pipeline.Run>();
        for (var i = 0; i < 5; i++)
        {
            runs.Add(await pipeline.ConnectAsync());
        }

        await runs[4].Ended.Bounded();
        Assert.Equal(ConnectionCloseReason.RejectedConcurrency, runs[4].Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        await Assert.ThrowsAsync<ConnectionResetException>(async () => await runs[4].Client.Transport.Input.ReadAsync());
        Assert.Equal(new Dictionary<string, long> { ["rejected_concurrency"] = 1 }, rejected);
        Assert.Equal(2, Inside.Count);
        for (var i = 0; i < 4; i++)
        {
            await TestTimeout.UntilAsync(() => Inside.Count == Math.Min(i + 2, 4));
            Assert.Same(runs[i].Server, Inside[i].Connection);
            Inside[i].Done.SetResult();
            await runs[i].Ended.Bounded();
        }

        Assert.Single(_log.WithId(30));
    }

    [Fact]
    public async Task A_wait_ends_with_the_peer_and_with_the_server_and_the_next_one_has_its_turn()
    {
        using var stopping = new CancellationTokenSource();
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(_log),
            builder => builder.Use(next => connection =>
            {
                connection.Features.Set<IConnectionLifetimeNotificationFeature>(new Stopping(stopping.Token));
                return next(connection);
            }).UseConcurrencyLimit(1, queue: 3),
            StayAsync);
        var first = await pipeline.ConnectAsync();
        var leaves = await pipeline.ConnectAsync();
        var waits = await pipeline.ConnectAsync();
        var stopped = await pipeline.ConnectAsync();
        await leaves.Client.Transport.Output.CompleteAsync();
        await leaves.Ended.Bounded();
        Inside[0].Done.SetResult();
        await first.Ended.Bounded();
        await TestTimeout.UntilAsync(() => Inside.Count == 2);
        Assert.Same(waits.Server, Inside[1].Connection);
        Assert.False(stopped.Ended.IsCompleted);
        await stopping.CancelAsync();
        await stopped.Ended.Bounded();
        Inside[1].Done.SetResult();
        await waits.Ended.Bounded();
        Assert.Empty(_log.WithId(30));
        Assert.Equal(2, Inside.Count);
    }

    [Fact]
    public async Task A_handler_that_fails_gives_its_place_back()
    {
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(_log), builder => builder.UseConcurrencyLimit(1), _ => throw new FormatException());
        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<FormatException>(async () => await (await pipeline.ConnectAsync()).Ended.Bounded());
        }
    }

    [Fact]
    public async Task A_limiter_of_ones_own_can_be_shared_by_pipelines()
    {
        using var limiter = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = 1 });
        await using var one = Pipeline.Build(Pipeline.Services(_log), builder => builder.UseConcurrencyLimit(limiter), StayAsync);
        await using var other = Pipeline.Build(Pipeline.Services(_log), builder => builder.UseConcurrencyLimit(limiter), StayAsync);
        var first = await one.ConnectAsync();
        var refused = await other.ConnectAsync();
        await refused.Ended.Bounded();
        Assert.Equal(ConnectionCloseReason.RejectedConcurrency, refused.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        Inside[0].Done.SetResult();
        await first.Ended.Bounded();
    }

    [Fact]
    public async Task A_Peregrine_server_that_stops_does_not_wait_for_those_that_wait()
    {
        await using var server = await Servers.PeregrineAsync(
            tcp => tcp.UseConcurrencyLimit(1, queue: 5).Run(async connection =>
            {
                lock (_inside)
                {
                    _inside.Add((connection, new TaskCompletionSource()));
                }

                await connection.Transport.Input.ReadAsync(
                    connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested);
            }),
            log: _log);
        await using var inside = await server.ConnectAsync();
        await TestTimeout.UntilAsync(() => Inside.Count == 1);
        await using var waits = await server.ConnectAsync();
        await waits.WriteAsync(new byte[1]);
        await TestTimeout.UntilAsync(() => _log.WithId(9, "Peregrine.Server").Count == 2);
        var stopping = server.DisposeAsync().AsTask();
        Assert.Equal(0, await inside.ReadAsync(new byte[1]).Bounded());
        Assert.Equal(0, await waits.ReadAsync(new byte[1]).Bounded());
        await inside.DisposeAsync();
        await waits.DisposeAsync();
        await stopping.Bounded();

        // The one inside may have ended, and given its place up, before the other heard of the stop.
        Assert.InRange(Inside.Count, 1, 2);
        Assert.DoesNotContain(_log.Entries, entry => entry.Category.StartsWith("Peregrine", StringComparison.Ordinal) && entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Inside_Kestrel_one_too_many_is_reset_and_counted()
    {
        await using var server = await Servers.KestrelAsync(listen => listen.UseConcurrencyLimit(1).Run(StayAsync), _log);
        var rejected = Pipeline.CountRejected(server.Services, out var listener);
        using var _ = listener;
        await using var inside = await server.ConnectAsync();
        await TestTimeout.UntilAsync(() => Inside.Count == 1);
        await server.IsResetAsync();
        Assert.Equal(new Dictionary<string, long> { ["rejected_concurrency"] = 1 }, rejected);
        Inside[0].Done.SetResult();
        Assert.Equal(0, await inside.ReadAsync(new byte[1]).Bounded());
        await using var next = await server.ConnectAsync();
        await TestTimeout.UntilAsync(() => Inside.Count == 2);
        Inside[1].Done.SetResult();
    }

    [Fact]
    public void Numbers_that_cannot_be_are_refused()
    {
        var builder = new ConnectionBuilder(Pipeline.Services());
        Assert.Throws<InvalidOperationException>(() => builder.UseConcurrencyLimit(0));
        Assert.Throws<InvalidOperationException>(() => builder.UseConcurrencyLimit(1, queue: -1));
    }

    public void Dispose() => _log.Dispose();

    private List<(ConnectionContext Connection, TaskCompletionSource Done)> Inside
    {
        get
        {
            lock (_inside)
            {
                return [.. _inside];
            }
        }
    }

    private Task StayAsync(ConnectionContext connection)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_inside)
        {
            _inside.Add((connection, done));
        }

        return done.Task;
    }

    private sealed class Stopping(CancellationToken token) : IConnectionLifetimeNotificationFeature
    {
        public CancellationToken ConnectionClosedRequested { get; set; } = token;

        public void RequestClose()
        {
        }
    }
}
