using System.Text;

namespace Telemetry;

/// <summary>All metrics by their names, which are bounded in number. Safe from any thread.</summary>
internal sealed class Metrics(int mostNames)
{
    // Gauges stay; what was silent for so many seconds makes room for other names.
    private const int ForgottenAfter = 60;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (Metric Metric, int Silent)> _metrics = [];
    private long _malformed;
    private long _tooMany;

    /// <summary>Takes the lines of a datagram. What is no such line is counted, and costs no other.</summary>
    public void Add(ReadOnlySpan<byte> payload)
    {
        Span<char> name = stackalloc char[payload.Length < 256 ? payload.Length : 256];
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

                AddLocked(name[..Encoding.ASCII.GetChars(metric.Name, name)], metric);
            }
        }
    }

    /// <summary>What the second since the last call brought, by name, and how many lines were lost.</summary>
    public (IReadOnlyList<string> Lines, long Malformed, long TooMany) EndSecond()
    {
        lock (_lock)
        {
            var lines = _metrics.Where(static entry => !entry.Value.Metric.IsIdle).OrderBy(static entry => entry.Key, StringComparer.Ordinal)
                .Select(static entry => $"{entry.Key} {entry.Value.Metric.Describe()}").ToList();
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

            var lost = (_malformed, _tooMany);
            (_malformed, _tooMany) = (0, 0);
            return (lines, lost._malformed, lost._tooMany);
        }
    }

    private void AddLocked(ReadOnlySpan<char> name, in MetricLine line)
    {
        var byName = _metrics.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!byName.TryGetValue(name, out var entry) || entry.Metric.Kind != line.Kind)
        {
            if (entry.Metric is null && _metrics.Count >= mostNames)
            {
                _tooMany++;
                return;
            }

            entry = (new Metric(line.Kind), 0);
            byName[name] = entry;
        }

        entry.Metric.Add(line);
    }
}
