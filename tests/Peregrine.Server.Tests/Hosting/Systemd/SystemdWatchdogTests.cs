using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Hosting.Systemd;

namespace Peregrine.Server.Tests.Hosting.Systemd;

public sealed class SystemdWatchdogTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly RecordedNotifier _notifier = new();
    private readonly RecordedLog _log = new();

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

    [Fact]
    public async Task What_cannot_be_told_is_told_the_next_time()
    {
        using var watchdog = Create(("WATCHDOG_USEC", "10000000"));
        _notifier.Throws = true;
        await watchdog.StartAsync(CancellationToken.None);
        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Single(_log.All, entry => entry.Level == Microsoft.Extensions.Logging.LogLevel.Warning);
        _notifier.Throws = false;
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(1, _notifier.Notified);
    }

    public void Dispose() => _log.Dispose();

    private SystemdWatchdog Create(params (string Name, string? Value)[] environment) =>
        new(_notifier, name => environment.FirstOrDefault(variable => variable.Name == name).Value, 7, _clock, _log);

    private sealed class RecordedNotifier : ISystemdNotifier
    {
        public int Notified { get; private set; }

        public bool IsEnabled => true;

        public bool Throws { get; set; }

        public void Notify(ServiceState state)
        {
            Assert.Equal("WATCHDOG=1", state.ToString());
            if (Throws)
            {
                throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.TooManyOpenSockets);
            }

            Notified++;
        }
    }
}
