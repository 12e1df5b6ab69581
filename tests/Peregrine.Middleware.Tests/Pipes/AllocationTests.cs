using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Tests.Pipes;

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuredAlone
{
    public const string Name = "Measured alone";
}

[Collection(MeasuredAlone.Name)]
public sealed class AllocationTests
{
    private const int Messages = 20_000;
    private const int MessageSize = 64;

    [Fact]
    public async Task Reads_and_flushes_that_wait_allocate_nothing()
    {
        var perMessage = await MeasureAsync(static builder => builder
            .UseConnectionLogging(options => options.LoggerFactory = new RecordedLog(LogLevel.Information))
            .UseThreadPool().UseTimeouts(options => options.Idle = TimeSpan.FromHours(1)).UseReadRateLimit(int.MaxValue));

        // What a wait would allocate is a hundred bytes and more, in each of the wrappers; what the runtime does meanwhile is little, once.
        Assert.InRange(perMessage, 0, 5);
    }

    /// <returns>Bytes for a message.</returns>
    private static async Task<double> MeasureAsync(Action<IConnectionBuilder> configure)
    {
        // Everything goes on inside the call that makes it: each read of the handler waits for the message, and each flush for the reader.
        var options = new PipeOptions(
            readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: MessageSize,
            resumeWriterThreshold: MessageSize / 2, useSynchronizationContext: false);
        var (request, response) = (new Pipe(options), new Pipe(options));
        var connection = new DefaultConnectionContext("x") { Transport = new Duplex(request.Reader, response.Writer) };
        var builder = new ConnectionBuilder(Pipeline.Services());
        configure(builder);
        builder.Run(Handlers.EchoAsync);
        var running = Task.Run(() => builder.Build()(connection));
        var message = new byte[MessageSize];
        await RoundTripsAsync();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await RoundTripsAsync();
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        await request.Writer.CompleteAsync();
        await running.Bounded();
        return allocated / (double)Messages;

        Task RoundTripsAsync() => Task.Run(async () =>
        {
            for (var i = 0; i < Messages; i++)
            {
                var writing = request.Writer.WriteAsync(message);
                var read = await response.Reader.ReadAsync();
                response.Reader.AdvanceTo(read.Buffer.End);
                await writing;
            }
        });
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
