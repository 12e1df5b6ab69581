using System.Diagnostics;
using System.Diagnostics.Metrics;
using Peregrine.Features;

namespace Peregrine;

/// <summary>
/// Counts connections that this side has ended, by what for: refused, out of time, or beyond a limit. The server and middleware on another server count
/// with the same instruments.
/// </summary>
internal sealed class EndedConnections(Meter meter)
{
    private readonly Counter<long> _rejected = meter.CreateCounter<long>(
        "peregrine.server.connections.rejected", "{connection}", "Connections that were refused before their handler had them, by the reason.");

    private readonly Counter<long> _timedOut = meter.CreateCounter<long>(
        "peregrine.server.connections.timed_out", "{connection}", "Connections that were reset because a time was over, by the reason.");

    private readonly Counter<long> _overLimit = meter.CreateCounter<long>(
        "peregrine.server.connections.over_limit", "{connection}", "Connections that were reset because they kept more than they may, by the reason.");

    /// <param name="reason">What for.</param>
    /// <param name="tags">Those of the endpoint, if there are any.</param>
    public void Count(ConnectionCloseReason reason, TagList tags)
    {
        var counter = reason switch
        {
            ConnectionCloseReason.FirstByteTimeout or ConnectionCloseReason.HandshakeTimeout or ConnectionCloseReason.IdleTimeout
                or ConnectionCloseReason.WriteTimeout or ConnectionCloseReason.ReadRateTimeout => _timedOut,
            ConnectionCloseReason.SlowConsumer or ConnectionCloseReason.BufferLimit or ConnectionCloseReason.UnreadLimit => _overLimit,
            _ => _rejected,
        };
        if (!counter.Enabled)
        {
            return;
        }

        tags.Add("peregrine.close.reason", CloseReasonName.Of(reason));
        try
        {
            counter.Add(1, tags);
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }
}
