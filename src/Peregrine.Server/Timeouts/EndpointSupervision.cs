using Microsoft.Extensions.Options;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Timeouts;

/// <summary>What supervises connections, of all endpoints.</summary>
/// <param name="Clock">The heartbeat's.</param>
/// <param name="Handshakes">The bound of those that are under way.</param>
/// <param name="Report">Tells what was ended.</param>
/// <param name="Pauses">Ends the pauses of readers that were too fast.</param>
internal sealed record ServerSupervision(SupervisedClock Clock, HandshakeSlots Handshakes, EndReport Report, ReadPauses Pauses);

/// <summary>The same for the connections of an endpoint, and its options as they are now.</summary>
internal sealed class EndpointSupervision : IReadRate
{
    private volatile Snapshot _now;

    /// <remarks>It follows the options for as long as the server lives.</remarks>
    public EndpointSupervision(string name, IOptionsMonitor<EndpointOptions> options, ServerSupervision server)
    {
        Name = name;
        Server = server;
        _now = new Snapshot(options.Get(name));
        options.OnChange((now, changed) =>
        {
            if (name.Equals(changed, StringComparison.OrdinalIgnoreCase))
            {
                _now = new Snapshot(now);
            }
        });
    }

    public string Name { get; }

    public ServerSupervision Server { get; }

    public EndpointOptions Options => _now.Options;

    public ref readonly TimeoutValues Timeouts => ref _now.Timeouts;

    /// <summary>How many bytes of a connection may be unsent before it is disconnected.</summary>
    public long MostUnsentBytes => _now.MostUnsentBytes;

    public int? BytesPerSecond => Options.Limits.ReadBytesPerSecond;

    public ReadPauses Pauses => Server.Pauses;

    private sealed class Snapshot(EndpointOptions options)
    {
        public readonly TimeoutValues Timeouts = Of(options.Timeouts);

        public EndpointOptions Options => options;

        public long MostUnsentBytes { get; } = options.Limits is { SlowConsumers: SlowConsumerPolicy.Pause, MaxUnsentBytes: var most }
            ? most > long.MaxValue / 2 ? long.MaxValue : most * 2
            : options.Limits.MaxUnsentBytes;

        private static TimeoutValues Of(EndpointTimeouts timeouts) => new(
            TimeoutValues.Milliseconds(timeouts.FirstByte), TimeoutValues.Milliseconds(timeouts.Handshake), TimeoutValues.Milliseconds(timeouts.Idle),
            TimeoutValues.Milliseconds(timeouts.WriteProgress), timeouts.MinReadRateInBytesPerSecond, TimeoutValues.Milliseconds(timeouts.MinReadRateGrace));
    }
}
