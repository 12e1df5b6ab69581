using System.Diagnostics.Metrics;

namespace Peregrine.LoadTest.Contestants;

/// <summary>Listens to every instrument of the process, and looks at those that are looked at once a second: more often than collectors do.</summary>
internal sealed class MetricsCollector : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly MeterListener _listener = new();
    private readonly ITimer _timer;
    private double _sum;

    private MetricsCollector()
    {
        _listener.InstrumentPublished = static (instrument, listener) => listener.EnableMeasurementEvents(instrument);
        _listener.SetMeasurementEventCallback<int>((_, value, _, _) => Add(value));
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Add(value));
        _listener.SetMeasurementEventCallback<double>((_, value, _, _) => Add(value));
        _listener.Start();
        _timer = TimeProvider.System.CreateTimer(_ => _listener.RecordObservableInstruments(), null, Interval, Interval);
    }

    public static MetricsCollector Start() => new();

    public void Dispose()
    {
        _timer.Dispose();
        _listener.Dispose();
    }

    private void Add(double value) => Volatile.Write(ref _sum, _sum + value);
}
