using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;

namespace Peregrine.Top.Metrics;

/// <summary>
/// Listens to the metrics of another process by its diagnostics port, as <c>dotnet-counters</c> does: the process needs nothing for it, and goes on. What
/// is not told any more is forgotten.
/// </summary>
internal sealed class MetricsSession : IDisposable
{
    private const string Provider = "System.Diagnostics.Metrics";
    private const EventKeywords TimeSeriesValues = (EventKeywords)2;
    private const int BufferSizeInMegabytes = 16;

    /// <summary>Bounds in the process watched: more endpoints with more reasons than anybody looks at.</summary>
    private const int MaxTimeSeries = 2000;

    private const int MaxHistograms = 200;

    /// <summary>Series that were not told of for so many collections are gone: their endpoint, or what they count.</summary>
    private const int ForgottenAfter = 2;

    private readonly Lock _lock = new();
    private readonly EventPipeSession _session;
    private readonly EventPipeEventSource _events;
    private readonly Dictionary<(string Instrument, string Tags), (MetricValue Value, int Collection)> _values = [];
    private readonly TaskCompletionSource _collected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeSpan _interval;
    private int _collection;
    private string? _problem;

    private MetricsSession(EventPipeSession session, TimeSpan interval)
    {
        _interval = interval;
        _session = session;
        _events = new EventPipeEventSource(session.EventStream);
    }

    /// <summary>Completes when the process is gone.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Completes with the first collection.</summary>
    public Task Collected => _collected.Task;

    /// <summary>What is in the way; null if nothing is.</summary>
    public string? Problem
    {
        get
        {
            lock (_lock)
            {
                return _problem;
            }
        }
    }

    public IReadOnlyList<MetricValue> Values
    {
        get
        {
            lock (_lock)
            {
                return [.. _values.Values.Select(static entry => entry.Value)];
            }
        }
    }

    /// <param name="process">The process's id.</param>
    /// <param name="interval">How often it collects.</param>
    /// <param name="meters">Names of meters.</param>
    /// <exception cref="ToolException">It cannot be listened to.</exception>
    public static MetricsSession Start(int process, TimeSpan interval, params string[] meters)
    {
        try
        {
            var client = Guid.NewGuid().ToString();
            var arguments = new Dictionary<string, string>
            {
                // Shared: another tool may listen at the same time.
                ["SessionId"] = "SHARED",
                ["ClientId"] = client,
                ["Metrics"] = string.Join(',', meters),
                ["RefreshInterval"] = interval.TotalSeconds.ToString(CultureInfo.InvariantCulture),
                ["MaxTimeSeries"] = MaxTimeSeries.ToString(CultureInfo.InvariantCulture),
                ["MaxHistograms"] = MaxHistograms.ToString(CultureInfo.InvariantCulture),
            };
            var provider = new EventPipeProvider(Provider, EventLevel.Informational, (long)TimeSeriesValues, arguments);
            var session = new MetricsSession(new DiagnosticsClient(process).StartEventPipeSession([provider], requestRundown: false, BufferSizeInMegabytes), interval);
            session._events.Dynamic.All += session.OnEvent;
            session.Ended = Task.Factory.StartNew(session.Process, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            return session;
        }
        catch (Exception exception) when (exception is DiagnosticsClientException or IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            throw new ToolException(ExitCodes.NoPermission, $"Process {process} cannot be listened to: {exception.Message.ReplaceLineEndings(" ")} Run this as its user, or as root.");
        }
    }

    /// <summary>The process stops to measure for it.</summary>
    public void Dispose()
    {
        try
        {
            _session.Stop();
        }
        catch (Exception exception) when (exception is ServerNotAvailableException or EndOfStreamException or IOException or TimeoutException or DiagnosticsClientException)
        {
            // It is gone.
        }

        _session.Dispose();
    }

    private void Process()
    {
        try
        {
            _events.Process();
        }
        catch (Exception exception)
        {
            // The stream ends in the middle of something when the process is gone.
            lock (_lock)
            {
                _problem ??= $"The process does not tell any more: {exception.Message}";
            }
        }

        _collected.TrySetResult();
    }

    private void OnEvent(TraceEvent told)
    {
        if (told.ProviderName != Provider)
        {
            return;
        }

        switch (told.EventName)
        {
            case "Collection/Stop": // Of CollectionStop, by the convention of its opcode.
                OnCollected();
                break;
            case "CounterRateValuePublished":
                OnValue(told, isSum: true);
                break;
            case "GaugeValuePublished" or "UpDownCounterRateValuePublished":
                OnValue(told, isSum: false);
                break;
            case "HistogramValuePublished":
                OnHistogram(told);
                break;
            case "MultipleSessionsConfiguredIncorrectlyError" or "MultipleSessionsNotSupportedError":
                OnProblem("Another tool, such as dotnet-counters, listens to this process with other settings; end it, or use its --interval.");
                break;
            case "Error":
                OnProblem($"The process cannot measure: {Text(told, "errorMessage")}");
                break;
        }
    }

    private void OnCollected()
    {
        lock (_lock)
        {
            _collection++;
            foreach (var (key, (_, collection)) in _values)
            {
                if (_collection - collection > ForgottenAfter)
                {
                    _values.Remove(key);
                }
            }
        }

        _collected.TrySetResult();
    }

    private void OnProblem(string problem)
    {
        lock (_lock)
        {
            _problem = problem;
        }

        _collected.TrySetResult();
    }

    /// <summary>A counter's sum is that of its increments since the tool listens; what was not collected yet has none.</summary>
    private void OnValue(TraceEvent told, bool isSum)
    {
        var hasRate = MetricTags.TryParse(Text(told, "rate"), out var rate);
        if (MetricTags.TryParse(Text(told, told.EventName == "GaugeValuePublished" ? "lastValue" : "value"), out var value) || (isSum && hasRate))
        {
            Set(told, value, rate, new Dictionary<double, double>());
        }
    }

    private void OnHistogram(TraceEvent told)
    {
        if (!MetricTags.TryParse(Text(told, "count"), out var count))
        {
            return;
        }

        var key = (Text(told, "instrumentName"), Text(told, "tags"));
        (double Value, IReadOnlyDictionary<double, double> Quantiles) before;
        lock (_lock)
        {
            before = _values.TryGetValue(key, out var known) ? (known.Value.Value, known.Value.Quantiles) : (0, new Dictionary<double, double>());
        }

        Set(told, before.Value + count, count, count > 0 ? MetricTags.ParseQuantiles(Text(told, "quantiles")) : before.Quantiles);
    }

    private void Set(TraceEvent told, double value, double rate, IReadOnlyDictionary<double, double> quantiles)
    {
        var (instrument, tags) = (Text(told, "instrumentName"), Text(told, "tags"));
        lock (_lock)
        {
            if (_values.Count < MaxTimeSeries || _values.ContainsKey((instrument, tags)))
            {
                _values[(instrument, tags)] = (new MetricValue(instrument, Text(told, "unit"), MetricTags.Parse(tags), value, rate / _interval.TotalSeconds, quantiles), _collection);
            }
        }
    }

    private static string Text(TraceEvent told, string name) => told.PayloadByName(name) as string ?? told.PayloadByName(name)?.ToString() ?? "";
}
