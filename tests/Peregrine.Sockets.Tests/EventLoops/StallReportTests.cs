using System.Net;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Sockets.EventLoops;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.EventLoops;

public sealed class StallReportTests
{
    private static readonly IPEndPoint s_endPoint = new(IPAddress.Loopback, 7000);

    [Fact]
    public void A_loop_that_is_held_is_reported_once_a_minute()
    {
        var clock = new FakeTimeProvider();
        using var log = new RecordedLog();
        var report = new StallReport(clock, log);
        report.Report(s_endPoint, TimeSpan.FromMilliseconds(150), threads: 1, isInline: true);
        var message = Assert.Single(log.WithId(5));
        Assert.Contains("127.0.0.1:7000", message, StringComparison.Ordinal);
        Assert.Contains("150 ms", message, StringComparison.Ordinal);
        clock.Advance(TimeSpan.FromSeconds(59));
        report.Report(s_endPoint, TimeSpan.FromMilliseconds(150), threads: 3, isInline: false);
        Assert.Empty(log.WithId(8));
        clock.Advance(TimeSpan.FromSeconds(1));
        report.Report(s_endPoint, TimeSpan.FromMilliseconds(150), threads: 3, isInline: false);
        Assert.Contains("3 threads", Assert.Single(log.WithId(8)), StringComparison.Ordinal);
    }
}
