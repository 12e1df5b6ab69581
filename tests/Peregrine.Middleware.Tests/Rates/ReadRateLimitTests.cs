using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Rates;

public sealed class ReadRateLimitTests
{
    private const int Rate = 10_000;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_come_at_the_rate_and_none_is_lost(bool isCountedByTheTransport)
    {
        const int Total = 60_000;
        var clock = new FakeTimeProvider();
        long received = 0;
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: clock),
            builder => Strip(builder, isCountedByTheTransport).UseReadRateLimit(Rate),
            async connection =>
            {
                while (await connection.Transport.Input.ReadAsync() is var read && !(read.IsCompleted && read.Buffer.IsEmpty))
                {
                    // A part of it is read again.
                    Interlocked.Add(ref received, read.Buffer.Length / 2 + read.Buffer.Length % 2);
                    connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(read.Buffer.Length / 2 + read.Buffer.Length % 2));
                }
            });
        var run = await pipeline.ConnectAsync();
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < Total / 1000; i++)
            {
                await run.Client.Transport.Output.WriteAsync(new byte[1000]);
            }

            await run.Client.Transport.Output.CompleteAsync();
        });
        await sending.Bounded();
        for (var tenths = 1; Interlocked.Read(ref received) < Total; tenths++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            Assert.InRange(Interlocked.Read(ref received), 0, Rate + (Rate * tenths / 10) + 65_536);
            Assert.True(tenths < 1000);
        }

        for (var i = 0; !run.Ended.IsCompleted && i < 1000; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await run.Ended.Bounded();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pause_of_a_transport_that_tells_no_reason_ends_with_the_connection(bool isAborted)
    {
        var clock = new FakeTimeProvider();
        var reading = new TaskCompletionSource<ConnectionContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: clock),
            builder => Strip(builder, isCountedByTheTransport: false).UseReadRateLimit(1024),
            async connection =>
            {
                var read = await connection.Transport.Input.ReadAtLeastAsync(50_000);
                connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(1), read.Buffer.End);
                reading.SetResult(connection);
                read = await connection.Transport.Input.ReadAtLeastAsync(50_010);
                Assert.True(read.IsCompleted);
                Assert.Equal(50_009, read.Buffer.Length);
            });
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.WriteAsync(new byte[50_000]);
        var connection = await reading.Task.Bounded();
        await run.Client.Transport.Output.WriteAsync(new byte[10]);
        for (var i = 0; i < 10; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        Assert.False(run.Ended.IsCompleted);
        if (isAborted)
        {
            connection.Abort(new ConnectionAbortedException("enough"));
        }
        else
        {
            await run.Client.Transport.Output.CompleteAsync();
        }

        await TestTimeout.UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(1));
            return connection.ConnectionClosed.IsCancellationRequested;
        });
        clock.Advance(TimeSpan.FromMilliseconds(100));
        if (isAborted)
        {
            Assert.Equal("enough", (await Assert.ThrowsAsync<ConnectionAbortedException>(() => run.Ended.Bounded())).Message);
        }
        else
        {
            await run.Ended.Bounded();
        }
    }

    [Fact]
    public async Task Inside_Kestrel_a_client_is_slowed()
    {
        var clock = new FakeTimeProvider();
        long received = 0;
        await using var server = await Servers.KestrelAsync(
            listen => listen.UseReadRateLimit(Rate).Run(async connection =>
            {
                while (await connection.Transport.Input.ReadAsync() is { Buffer.IsEmpty: false } read)
                {
                    Interlocked.Add(ref received, read.Buffer.Length);
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                }
            }),
            clock: clock);
        await using var client = await server.ConnectAsync();
        await client.WriteAsync(new byte[Rate + 5000]);
        await TestTimeout.UntilAsync(() => Interlocked.Read(ref received) == Rate + 5000 || Interlocked.Read(ref received) == Rate);
        var before = Interlocked.Read(ref received);
        await client.WriteAsync(new byte[1000]);

        // It has its debt to pay first: half a second, or the rest of what it brings.
        clock.Advance(TimeSpan.FromMilliseconds(before > Rate ? 400 : 0));
        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        Assert.Equal(before, Interlocked.Read(ref received));
        for (var i = 0; Interlocked.Read(ref received) < Rate + 6000; i++)
        {
            Assert.True(i < 1000);
            clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    [Fact]
    public void A_rate_that_is_too_low_is_refused() => Assert.Contains(
        "bytesPerSecond = 1000", Assert.Throws<InvalidOperationException>(() => new ConnectionBuilder(Pipeline.Services()).UseReadRateLimit(1000)).Message,
        StringComparison.Ordinal);

    /// <summary>Makes the connection one that tells neither counts nor reasons, as Kestrel's.</summary>
    private static IConnectionBuilder Strip(IConnectionBuilder builder, bool isCountedByTheTransport) => builder.Use(next => connection =>
    {
        if (!isCountedByTheTransport)
        {
            connection.Features.Set<IConnectionByteCountFeature>(null);
            connection.Features.Set<IConnectionCloseFeature>(null);
        }

        return next(connection);
    });
}
