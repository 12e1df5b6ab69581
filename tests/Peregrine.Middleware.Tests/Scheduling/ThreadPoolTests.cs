using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Scheduling;

public sealed class ThreadPoolTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task On_an_event_loop_the_handler_goes_on_on_the_pool_after_reads_and_flushes(bool usesThreadPool)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        var threads = new Threads();
        await using var server = await Servers.PeregrineAsync(
            tcp => (usesThreadPool ? tcp.UseThreadPool() : tcp).Run(threads.EchoAsync), ConnectionScheduling.EventLoop);
        await DriveAsync(server);
        await TestTimeout.UntilAsync(() => threads.IsDone);

        // Without it, they go on on the loop: the test would notice.
        Assert.Equal(usesThreadPool, threads.AllOfThePool);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Inside_Kestrel_too(bool inline)
    {
        var threads = new Threads();
        await using var server = await Servers.KestrelAsync(listen => listen.UseThreadPool().Run(threads.EchoAsync), inline: inline);
        await DriveAsync(server);
        await TestTimeout.UntilAsync(() => threads.IsDone);
        Assert.True(threads.AllOfThePool);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Completions_on_a_foreign_thread_go_on_on_the_pool(bool flushes)
    {
        // As on the runtime's event loops (Inline), which are threads that are not the pool's.
        var inner = new Pipe(new PipeOptions(
            pauseWriterThreshold: 10, resumeWriterThreshold: 5, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline,
            useSynchronizationContext: false));
        var resumed = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var connection = new DefaultConnectionContext("x") { Transport = new Duplex(inner.Reader, inner.Writer) };
        var builder = new ConnectionBuilder(Pipeline.Services());
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        builder.UseThreadPool().Run(async connection =>
        {
            if (flushes)
            {
                var flush = connection.Transport.Output.WriteAsync(new byte[20]);
                Assert.False(flush.IsCompleted);
                waiting.SetResult();
                await flush;
            }
            else
            {
                var read = connection.Transport.Input.ReadAsync();
                Assert.False(read.IsCompleted);
                waiting.SetResult();
                connection.Transport.Input.AdvanceTo((await read).Buffer.End);
            }

            resumed.SetResult(Thread.CurrentThread.IsThreadPoolThread);
        });
        // Without the runner's synchronization context, to which an await would return.
        var running = Task.Run(() => builder.Build()(connection));
        await waiting.Task.Bounded();
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        var thread = new Thread(() =>
        {
            if (flushes)
            {
                inner.Reader.TryRead(out var read);
                inner.Reader.AdvanceTo(read.Buffer.End);
            }
            else
            {
                inner.Writer.WriteAsync(new byte[1]).AsTask().GetAwaiter().GetResult();
            }
        });
        thread.Start();
        Assert.True(await resumed.Task.Bounded());
        thread.Join();
        await running.Bounded();
    }

    [Fact]
    public async Task Work_that_is_scheduled_runs_on_the_pool_and_what_was_there_is_put_back()
    {
        var ran = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var before = new Scheduling();
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(),
            builder => builder.Use(next => async connection =>
            {
                connection.Features.Set<IConnectionSchedulingFeature>(before);
                var transport = connection.Transport;
                await next(connection);
                Assert.Same(transport, connection.Transport);
                Assert.Same(before, connection.Features.Get<IConnectionSchedulingFeature>());
            }).UseThreadPool(),
            async connection =>
            {
                connection.Features.Get<IConnectionSchedulingFeature>()!.Schedule(new Work(ran));
                await ran.Task;
            });
        await (await pipeline.ConnectAsync()).Ended.Bounded();
        Assert.True(await ran.Task);
    }

    private static async Task DriveAsync(RunningServer server)
    {
        await using var client = await server.ConnectAsync();
        for (var i = 0; i < 20; i++)
        {
            await client.WriteAsync(new byte[1]);
            await client.ReadExactlyAsync(new byte[1]).AsTask().Bounded();
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }

        // An answer that does not fit into the kernel's buffers: its flush waits.
        await client.WriteAsync(new byte[] { 1 });
        await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        await client.ReadExactlyAsync(new byte[Threads.Large]).AsTask().Bounded();
    }

    private sealed class Threads
    {
        public const int Large = 16 << 20;

        public bool AllOfThePool { get; private set; } = true;

        public bool IsDone { get; private set; }

        public async Task EchoAsync(ConnectionContext connection)
        {
            var (input, output) = (connection.Transport.Input, connection.Transport.Output);
            var isOver = false;
            Note();
            while (!isOver)
            {
                var read = await input.ReadAsync().ConfigureAwait(false);
                Note();
                isOver = read.IsCompleted || read.Buffer.FirstSpan[0] == 1;
                var size = isOver ? Large : 1;
                input.AdvanceTo(read.Buffer.End);
                if (!read.IsCompleted)
                {
                    await output.WriteAsync(new byte[size]).ConfigureAwait(false);
                    Note();
                }
            }

            await output.CompleteAsync().ConfigureAwait(false);
            Note();
            IsDone = true;
        }

        private void Note() => AllOfThePool &= Thread.CurrentThread.IsThreadPoolThread;
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Scheduling : IConnectionSchedulingFeature
    {
        public void Schedule(IThreadPoolWorkItem work) => throw new InvalidOperationException("It is on the loop.");
    }

    private sealed class Work(TaskCompletionSource<bool> ran) : IThreadPoolWorkItem
    {
        public void Execute() => ran.SetResult(Thread.CurrentThread.IsThreadPoolThread);
    }
}
