using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Hosting.Systemd;

/// <summary>
/// Tells systemd, at half of the unit's WatchdogSec=, that the process is alive (sd_watchdog_enabled(3)), where the application has added
/// systemd's notifications (<c>AddSystemd</c>). It does so on the thread pool: a process whose pool is stuck falls silent, and is restarted.
/// </summary>
/// <remarks>It goes on through the stop, during which systemd still waits for it, until it is disposed.</remarks>
internal sealed class SystemdWatchdog(
    ISystemdNotifier? notifier, Func<string, string?> environment, int processId, TimeProvider clock, ILogger logger)
    : IHostedService, IDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private static readonly ServiceState s_alive = new("WATCHDOG=1");

    private ITimer? _timer;
    private bool _hasFailed;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (notifier?.IsEnabled == true && Interval() is { } interval)
        {
            _timer = clock.CreateTimer(_ => Tell(notifier), null, TimeSpan.Zero, interval);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _timer?.Dispose();

    /// <summary>Each time is a socket, for which descriptors may be short: the next time may be better, and an exception would end the process.</summary>
    private void Tell(ISystemdNotifier systemd)
    {
        try
        {
            systemd.Notify(s_alive);
            _hasFailed = false;
        }
        catch (Exception exception)
        {
            if (!_hasFailed)
            {
                _hasFailed = true;
                ServerLog.WatchdogNotFed(logger, exception.Message);
            }
        }
    }

    private TimeSpan? Interval()
    {
        var isOurs = environment("WATCHDOG_PID") is not { Length: > 0 } watched || watched == processId.ToString(CultureInfo.InvariantCulture);
        return isOurs && ulong.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds)
            && microseconds > 1
            ? TimeSpan.FromMicroseconds(Math.Min(microseconds / 2, Longest.TotalMicroseconds))
            : null;
    }
}
