using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Admission;

/// <summary>Says, once a minute for each limit, that clients wait because of it.</summary>
internal sealed class LimitReports(TimeProvider clock, ILogger logger)
{
    private readonly ReportInterval _server = new(clock);
    private readonly ReportInterval _endpoint = new(clock);
    private readonly ReportInterval _pace = new(clock);

    /// <summary>There is no place for another connection of an endpoint.</summary>
    public void OnPlaces(string endpoint, int count, int max, Places server)
    {
        if (count >= max)
        {
            Report(_endpoint, endpoint, $"Peregrine:Endpoints:{endpoint}:Limits:MaxConnections", max);
        }
        else
        {
            Report(_server, endpoint, "Peregrine:Limits:MaxConnections", server.Max);
        }
    }

    public void OnPace(string endpoint, int? perSecond) => Report(_pace, endpoint, "Peregrine:Limits:AcceptsPerSecond", perSecond ?? 0);

    private void Report(ReportInterval interval, string endpoint, string setting, int value)
    {
        if (interval.IsDue(out _))
        {
            ServerLog.AtLimit(logger, endpoint, setting, value);
        }
    }
}
