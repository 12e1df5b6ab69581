using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>How many bytes the server allocates for a message, once everything is compiled and pooled.</summary>
internal sealed class AllocationDrive(Load load, Target target, Func<IEchoClient> connect) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var client = connect();
        await DriveAsync(client, load with { WarmUp = 0, Seconds = load.WarmUp }, cancellationToken);

        // The question itself costs bytes; the first one also what is compiled for it.
        await AskAsync(cancellationToken);
        var first = await AskAsync(cancellationToken);
        var before = await AskAsync(cancellationToken);
        var answered = client.Answered;
        await DriveAsync(client, load with { WarmUp = 0 }, cancellationToken);
        var bytes = await AskAsync(cancellationToken) - before - (before - first);
        await client.EndAsync();
        return new Measurement { [Metric.BytesPerMessage.Key] = Math.Max(bytes, 0) / (double)(client.Answered - answered) };
    }

    // Nothing is in flight before and after, so the messages are counted exactly.
    private async Task DriveAsync(IEchoClient client, Load phase, CancellationToken cancellationToken)
    {
        var window = new MeasuringWindow();
        var running = client.RunAsync(window);
        await window.RunAsync(phase, target.Process, running, cancellationToken);
        await running;
    }

    private static Task<long> AskAsync(CancellationToken cancellationToken) => ServerAnswers.AskAsync(ServerQuestion.Allocated, cancellationToken);
}
