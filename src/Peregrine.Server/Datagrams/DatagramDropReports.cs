using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Datagrams;

/// <summary>Warns, once a minute for each reason, of datagrams that were dropped because something was full, with the setting and what helps.</summary>
/// <param name="name">The endpoint's name.</param>
/// <param name="settings">Where its options are set.</param>
/// <param name="counters">The endpoint's.</param>
/// <param name="clock">The server's.</param>
/// <param name="logger">The server's.</param>
internal sealed class DatagramDropReports(string name, string settings, DatagramCounters counters, TimeProvider clock, ILogger logger)
{
    private readonly Report[] _reports =
    [
        new(
            DatagramDropReason.ReceiveBufferFull, $"{settings}:Socket:ReceiveBufferSizeInBytes", "handlers are slower than what comes, or bursts are larger than the buffer: raise it, and net.core.rmem_max, or the endpoint's Listeners",
            clock),
        new(
            DatagramDropReason.SendQueueFull, $"{settings}:MaxQueuedBytes and MaxQueuedDatagrams", "handlers send more than the network takes: raise them for bursts, or let handlers wait by SendAsync",
            clock),
        new(
            DatagramDropReason.SessionQueueFull, "the queue length of UseSessions", "sessions read more slowly than their peers send: raise it for bursts",
            clock),
    ];

    /// <summary>Looks at what has been counted since the last time. One call at a time.</summary>
    public void Look()
    {
        foreach (var report in _reports)
        {
            var dropped = counters.GetDropped(report.Reason);
            if (dropped > report.Reported && report.Interval.IsDue(out _))
            {
                ServerLog.DatagramsDropped(logger, name, dropped - report.Reported, report.Reason, report.Setting, report.Remedy);
                report.Reported = dropped;
            }
        }
    }

    private sealed class Report(DatagramDropReason reason, string setting, string remedy, TimeProvider clock)
    {
        public DatagramDropReason Reason => reason;

        public string Setting => setting;

        public string Remedy => remedy;

        public ReportInterval Interval { get; } = new(clock);

        public long Reported { get; set; }
    }
}
