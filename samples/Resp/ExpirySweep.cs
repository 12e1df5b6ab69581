using Microsoft.Extensions.Hosting;

namespace Resp;

/// <summary>
/// Removes keys whose time is over and that nobody asks for. Ten times in a second it looks at so many of those that have a time at most, and goes on where
/// it has stopped.
/// </summary>
internal sealed class ExpirySweep(Store store, TimeProvider clock) : BackgroundService
{
    private const int MostAtOnce = 5_000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            store.Sweep(MostAtOnce);
        }
    }
}
