using Microsoft.Extensions.Hosting;

namespace Telemetry;

/// <summary>Writes once a second what was measured in it.</summary>
internal sealed class Report(Metrics metrics, TextWriter output, TimeProvider clock) : BackgroundService
{
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);

        // The last part of a second: the server, which stops before this, has handled what was queued. Not where the loop ends: it may not have begun.
        await WriteAsync();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await second.WaitForNextTickAsync(stoppingToken))
        {
            await WriteAsync();
        }
    }

    private async Task WriteAsync()
    {
        var (lines, malformed, tooMany) = metrics.EndSecond();
        foreach (var line in lines)
        {
            await output.WriteLineAsync(line);
        }

        if (malformed + tooMany > 0)
        {
            await output.WriteLineAsync($"lost: {malformed} lines that are not StatsD, {tooMany} of names that are too many (Telemetry:MaxNames)");
        }
    }
}
