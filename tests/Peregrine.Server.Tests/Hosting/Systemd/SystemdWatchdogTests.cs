using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Hosting.Systemd;

namespace Peregrine.Server.Tests.Hosting.Systemd;

public sealed class SystemdWatchdogTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly RecordedNotifier _notifier = new();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("7")]
    public async Task It_is_fed_at_half_of_its_time(string? watchedProcess)
    {
        using var watchdog = Create(("WATCHDOG_USEC", "10000000"), ("WATCHDOG_PID", watchedProcess));
        await watchdog.StartAsync(CancellationToken.None);
        _clock.Advance(TimeSpan.FromSeconds(4));
        var first = _notifier.Notified;
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(first + 1, _notifier.Notified);

        // Through the stop, too.
        await watchdog.StopAsync(CancellationToken.None);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(first + 2, _notifier.Notified);
        watchdog.Dispose();
        _clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(first + 2, _notifier.Notified);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("0", null)]
    [InlineData("soon", null)]
    [InlineData("10000000", "8")]
    public async Task Where_nobody_watches_nothing_is_told(string? time, string? watchedProcess)
    {
        using var watchdog = Create(("WATCHDOG_USEC", time), ("WATCHDOG_PID", watchedProcess));
        await watchdog.StartAsync(CancellationToken.None);
        _clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal(0, _notifier.Notified);
    }

    [Fact]
    public async Task Any_time_can_be_asked_for()
    {
        using var watchdog = Create(("WATCHDOG_USEC", "18446744073709551615"));
        await watchdog.StartAsync(CancellationToken.None);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.InRange(_notifier.Notified, 1, 2);
    }

    private SystemdWatchdog Create(params (string Name, string? Value)[] environment) =>
        new(_notifier, name => environment.FirstOrDefault(variable => variable.Name == name).Value, 7, _clock);

    private sealed class RecordedNotifier : ISystemdNotifier
    {
        public int Notified { get; private set; }

        public bool IsEnabled => true;

        public void Notify(ServiceState state)
        {
            Assert.Equal("WATCHDOG=1", state.ToString());
            Notified++;
        }
    }
}
