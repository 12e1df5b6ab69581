using Microsoft.Extensions.Hosting;

namespace Resp;

/// <summary>
/// Removes keys whose time is over and that nobody asks for. Once in a second it looks at so many of those that have a time at most, and goes on where it has
/// stopped. (Not more often: a thread of the pool that wakes up looks for more work for a while before it sleeps, on the core of a loop, perhaps.)
/// </summary>
internal sealed class ExpirySweep(Store store, TimeProvider clock) : BackgroundService
{
    private const int MostAtOnce = 50_000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            store.Sweep(MostAtOnce);
        }
    }
}
