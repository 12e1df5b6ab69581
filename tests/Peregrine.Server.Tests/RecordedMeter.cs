using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Server.Diagnostics;

namespace Peregrine.Server.Tests;

/// <summary>Listens to the metrics of one server, from before its connections on.</summary>
internal sealed class RecordedMeter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string Instrument, double Value, IReadOnlyDictionary<string, object?> Tags)> _recorded = [];

    public RecordedMeter(TestServer server, string? only = null)
        : this(server.Host.Services, only)
    {
    }

    /// <param name="services">The host's.</param>
    /// <param name="only">The one instrument that is listened to; null for all.</param>
    public RecordedMeter(IServiceProvider services, string? only = null)
    {
        var meters = services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == ServerMetrics.MeterName && instrument.Meter.Scope == meters && (only is null || instrument.Name == only))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    public IReadOnlyList<(double Value, IReadOnlyDictionary<string, object?> Tags)> Recorded(string instrument)
    {
        lock (_recorded)
        {
            return [.. _recorded.Where(record => record.Instrument == instrument).Select(record => (record.Value, record.Tags))];
        }
    }

    /// <summary>What a gauge shows now.</summary>
    public IReadOnlyList<(double Value, IReadOnlyDictionary<string, object?> Tags)> Observe(string instrument)
    {
        lock (_recorded)
        {
            _recorded.RemoveAll(record => record.Instrument == instrument);
        }

        _listener.RecordObservableInstruments();
        return Recorded(instrument);
    }

    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_recorded)
        {
            _recorded.Add((instrument.Name, value, tags.ToArray().ToDictionary()));
        }
    }
}
