using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Peregrine.Middleware.Sessions;

/// <summary>The instruments of an endpoint's sessions; of an application that measures nothing, none. Safe to use from any thread.</summary>
internal sealed class SessionMetrics
{
    // A meter keeps an instrument for ever: one for the application, which asks the tables that there are.
    private static readonly ConditionalWeakTable<Meter, ActiveSessions> s_active = [];
    private static readonly string[] s_reasons =
        [.. Enum.GetNames<DatagramSessionEndReason>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)];

    private readonly KeyValuePair<string, object?> _endpoint;
    private readonly ActiveSessions? _active;
    private readonly Counter<long>? _created;
    private readonly Counter<long>? _ended;

    public SessionMetrics(Meter? meter, string endpoint)
    {
        _endpoint = new("peregrine.endpoint", endpoint);
        _created = meter?.CreateCounter<long>("peregrine.server.sessions.created", "{session}", "Sessions that have begun.");
        _ended = meter?.CreateCounter<long>("peregrine.server.sessions.ended", "{session}", "Sessions that have ended, by the reason.");
        _active = meter is null ? null : s_active.GetValue(meter, static meter => new ActiveSessions(meter));
    }

    /// <summary>Observes a table until <see cref="Forget"/>.</summary>
    public void Observe(SessionTable table) => _active?.Add(table, _endpoint);

    public void Forget(SessionTable table) => _active?.Remove(table);

    public void Created() => Add(_created);

    public void Ended(DatagramSessionEndReason reason)
    {
        if (_ended is { Enabled: true })
        {
            Add(_ended, new("peregrine.close.reason", s_reasons[(int)reason]));
        }
    }

    private void Add(Counter<long>? counter, KeyValuePair<string, object?> tag = default)
    {
        if (counter is not { Enabled: true })
        {
            return;
        }

        try
        {
            if (tag.Key is null)
            {
                counter.Add(1, _endpoint);
            }
            else
            {
                counter.Add(1, _endpoint, tag);
            }
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }

    private sealed class ActiveSessions
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<SessionTable, KeyValuePair<string, object?>> _tables = [];

        public ActiveSessions(Meter meter) =>
            meter.CreateObservableUpDownCounter("peregrine.server.sessions.active", Observe, "{session}", "Sessions of datagram endpoints.");

        public void Add(SessionTable table, KeyValuePair<string, object?> endpoint)
        {
            lock (_lock)
            {
                _tables[table] = endpoint;
            }
        }

        public void Remove(SessionTable table)
        {
            lock (_lock)
            {
                _tables.Remove(table);
            }
        }

        private IEnumerable<Measurement<int>> Observe()
        {
            lock (_lock)
            {
                return [.. _tables.Select(static table => new Measurement<int>(table.Key.Count, table.Value))];
            }
        }
    }
}
