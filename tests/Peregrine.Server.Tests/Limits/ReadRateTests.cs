using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Limits;

/// <summary>Reading at a bounded rate: 10,000 bytes a second, and a burst of as many.</summary>
public sealed class ReadRateTests
{
    private const int Rate = 10_000;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    private long _received;

    [Fact]
    public async Task Bytes_come_at_the_rate_and_none_is_lost()
    {
        const int Total = 60_000;
        await using var server = await StartAsync(ReadAllAsync);
        var client = await server.ConnectAsync();
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < Total / 1000; i++)
            {
                await client.Transport.Output.WriteAsync(Enumerable.Repeat((byte)i, 1000).ToArray());
            }

            await client.Transport.Output.CompleteAsync();
        });
        await SupervisedServer.UntilAsync(() => Interlocked.Read(ref _received) > 0);
        for (var tenths = 1; Interlocked.Read(ref _received) < Total; tenths++)
        {
            server.Clock.Advance(Tick);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            Assert.InRange(Interlocked.Read(ref _received), 0, Rate + (Rate * tenths / 10) + 65_536);
            Assert.True(tenths < 100);
        }

        await sending.InTimeAsync();
        await client.ReceiveToEndAsync();
    }

    [Fact]
    public async Task A_pause_ends_by_cancellation_by_a_token_and_by_an_abort_and_TryRead_says_so()
    {
        var reader = new TaskCompletionSource<(ConnectionContext Connection, PipeReader Reader)>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(connection =>
        {
            reader.SetResult((connection, connection.Transport.Input));
            return done.Task;
        });
        var client = await server.ConnectAsync();
        await client.Transport.Output.WriteAsync(new byte[50_000]);
        var (connection, input) = await reader.Task;
        var read = await input.ReadAsync();
        Assert.Equal(50_000, read.Buffer.Length);
        input.AdvanceTo(read.Buffer.GetPosition(10), read.Buffer.End);

        Assert.False(input.TryRead(out _));
        var pausing = input.ReadAsync();
        Assert.False(pausing.IsCompleted);
        Assert.Throws<InvalidOperationException>(() => input.TryRead(out _));
        input.CancelPendingRead();
        read = await pausing.AsTask().InTimeAsync();
        Assert.True(read.IsCanceled);
        Assert.Equal(49_990, read.Buffer.Length);
        input.AdvanceTo(read.Buffer.Start, read.Buffer.End);

        input.CancelPendingRead();
        Assert.True(input.TryRead(out read));
        Assert.True(read.IsCanceled);
        input.AdvanceTo(read.Buffer.Start, read.Buffer.End);

        using var source = new CancellationTokenSource();
        var canceled = input.ReadAsync(source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(canceled.InTimeAsync);

        var last = input.ReadAsync().AsTask();
        connection.Abort(new ConnectionAbortedException("enough"));
        server.Clock.Advance(Tick);
        Assert.Equal("enough", (await Assert.ThrowsAsync<ConnectionAbortedException>(last.InTimeAsync)).Message);
        done.SetResult();
    }

    [Fact]
    public async Task ReadAtLeast_waits_for_its_bytes_and_a_rate_that_is_taken_away_holds_nobody()
    {
        await using var server = await StartAsync(async connection =>
        {
            var read = await connection.Transport.Input.ReadAtLeastAsync(30_000);
            connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(30_000));
            await connection.Transport.Output.WriteAsync("30000"u8.ToArray());
            await Handlers.EchoAsync(connection);
        });
        var client = await server.ConnectAsync();
        for (var i = 0; i < 3; i++)
        {
            await client.Transport.Output.WriteAsync(new byte[10_000]);
        }

        for (var i = 0; i < 30; i++)
        {
            server.Clock.Advance(Tick);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.Equal("30000", await client.ReceiveAsync(5));
        server.Set(":Limits:ReadBytesPerSecond", "1000000000");
        var echo = client.ReceiveAsync(200_000);
        await client.SendAsync(new string('x', 200_000));
        for (var i = 0; !echo.IsCompleted; i++)
        {
            Assert.True(i < 1000);
            server.Clock.Advance(Tick);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.Equal(200_000, (await echo).Length);
    }

    private static Task<SupervisedServer> StartAsync(ConnectionDelegate handler) =>
        SupervisedServer.StartAsync(handler, (":Limits:ReadBytesPerSecond", "10000"));

    private async Task ReadAllAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                for (var i = 0; i < segment.Length; i++)
                {
                    Assert.Equal((byte)((_received + i) / 1000), segment.Span[i]);
                }

                Interlocked.Add(ref _received, segment.Length);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }
}
