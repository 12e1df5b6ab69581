using System.Globalization;

namespace Telemetry;

/// <summary>One metric in one second. Bounded, whatever is sent.</summary>
internal sealed class Metric(MetricKind kind)
{
    // Of the times of a second; those that follow count, and are not in the percentiles.
    private const int MostTimes = 1_000;

    // Of the members of a set; there may be more then.
    private const int MostMembers = 10_000;

    private readonly List<double> _times = [];
    private readonly HashSet<double> _members = [];
    private double _value;
    private double _highest;
    private double _sum;
    private long _lines;

    public MetricKind Kind => kind;

    /// <summary>Nothing was sent since the last <see cref="Restart"/>.</summary>
    public bool IsIdle => _lines == 0;

    public void Add(in MetricLine line)
    {
        _lines++;
        switch (kind)
        {
            case MetricKind.Count:
                _value += line.Value / line.Rate;
                break;
            case MetricKind.Gauge:
                _value = line.IsChange ? _value + line.Value : line.Value;
                break;
            case MetricKind.Time:
                _value += 1 / line.Rate;
                _sum += line.Value / line.Rate;
                _highest = Math.Max(_highest, line.Value);
                if (_times.Count < MostTimes)
                {
                    _times.Add(line.Value);
                }

                break;
            default:
                if (_members.Count < MostMembers)
                {
                    _members.Add(line.Value);
                }

                break;
        }
    }

    /// <summary>What the second brought, in words.</summary>
    public string Describe() => kind switch
    {
        MetricKind.Count => string.Create(CultureInfo.InvariantCulture, $"{_value:0.##}/s"),
        MetricKind.Gauge => string.Create(CultureInfo.InvariantCulture, $"{_value:0.###}"),
        MetricKind.Time => string.Create(
            CultureInfo.InvariantCulture, $"{_value:0.##}/s, mean {_sum / _value:0.###} ms, p50 {Percentile(0.5):0.###} ms, p99 {Percentile(0.99):0.###} ms, highest {_highest:0.###} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{_members.Count}{(_members.Count == MostMembers ? " or more" : "")} different"),
    };

    /// <summary>Begins the next second. A gauge keeps its value.</summary>
    public void Restart()
    {
        _lines = 0;
        _sum = _highest = 0;
        _value = kind == MetricKind.Gauge ? _value : 0;
        _times.Clear();
        _members.Clear();
    }

    private double Percentile(double part)
    {
        _times.Sort();
        return _times[(int)Math.Ceiling(part * _times.Count) - 1]; // Nearest rank.
    }
}
