using System.Text;

namespace Telemetry;

/// <summary>All metrics by their names, which are bounded in number. Safe from any thread.</summary>
internal sealed class Metrics(int mostNames)
{
    // Gauges stay; what was silent for so many seconds makes room for other names.
    private const int ForgottenAfter = 60;

    // Times and members of a second, of all metrics together: 50 MB at the most.
    private const int MostValues = 1_000_000;

    private readonly Lock _lock = new();

    // The last character of a key is the kind: a name may be used for more than one.
    private readonly Dictionary<string, (Metric Metric, int Silent)> _metrics = [];
    private int _room = MostValues;
    private long _malformed;
    private long _tooMany;

    /// <summary>Takes the lines of a datagram. What is no such line is counted, and costs no other.</summary>
    public void Add(ReadOnlySpan<byte> payload)
    {
        Span<char> key = stackalloc char[MetricLine.LongestName + 1];
        lock (_lock)
        {
            foreach (var range in payload.Split((byte)'\n'))
            {
                var line = payload[range];
                if (line.EndsWith("\r"u8))
                {
                    line = line[..^1];
                }

                if (line.IsEmpty)
                {
                    continue;
                }

                if (!MetricLine.TryParse(line, out var metric))
                {
                    _malformed++;
                    continue;
                }

                var length = Encoding.ASCII.GetChars(metric.Name, key);
                key[length] = (char)metric.Kind;
                AddLocked(key[..(length + 1)], metric);
            }
        }
    }

    /// <summary>What the second since the last call brought, by name, and how many lines were lost.</summary>
    public (IReadOnlyList<string> Lines, long Malformed, long TooMany) EndSecond()
    {
        lock (_lock)
        {
            var lines = _metrics.Where(static entry => !entry.Value.Metric.IsIdle).OrderBy(static entry => entry.Key, StringComparer.Ordinal)
                .Select(static entry => $"{entry.Key.AsSpan()[..^1]} {entry.Value.Metric.Describe()}").ToList();
            foreach (var (name, (metric, silent)) in _metrics.ToList())
            {
                var isForgotten = metric.IsIdle && silent + 1 >= ForgottenAfter;
                if (isForgotten)
                {
                    _metrics.Remove(name);
                    continue;
                }

                _metrics[name] = (metric, metric.IsIdle ? silent + 1 : 0);
                metric.Restart();
            }

            _room = MostValues;
            var lost = (_malformed, _tooMany);
            (_malformed, _tooMany) = (0, 0);
            return (lines, lost._malformed, lost._tooMany);
        }
    }

    private void AddLocked(ReadOnlySpan<char> key, in MetricLine line)
    {
        var byKey = _metrics.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!byKey.TryGetValue(key, out var entry))
        {
            if (_metrics.Count >= mostNames)
            {
                _tooMany++;
                return;
            }

            entry = (new Metric(line.Kind), 0);
            byKey[key] = entry;
        }

        entry.Metric.Add(line, ref _room);
    }
}
