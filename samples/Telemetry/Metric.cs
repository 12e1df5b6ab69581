using System.Globalization;

namespace Telemetry;

/// <summary>One metric in one second. Bounded, whatever is sent.</summary>
internal sealed class Metric(MetricKind kind)
{
    // Of the times of a second; those that follow count, and are not in the percentiles.
    private const int MostTimes = 1_000;

    // Of the members of a set; there may be more then.
    private const int MostMembers = 10_000;

    private List<double> _times = [];
    private HashSet<double> _members = [];
    private bool _mayBeMore;
    private double _value;
    private double _highest;
    private double _sum;
    private long _lines;

    /// <summary>Nothing was sent since the last <see cref="Restart"/>.</summary>
    public bool IsIdle => _lines == 0;

    /// <param name="line">Of its kind.</param>
    /// <param name="room">For how many times and members there is memory, of all metrics together.</param>
    public void Add(in MetricLine line, ref int room)
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
                if (_times.Count < MostTimes && room > 0)
                {
                    _times.Add(line.Value);
                    room--;
                }

                break;
            default:
                if (_members.Count >= MostMembers || room <= 0)
                {
                    _mayBeMore |= !_members.Contains(line.Value);
                }
                else if (_members.Add(line.Value))
                {
                    room--;
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
        _ => string.Create(CultureInfo.InvariantCulture, $"{_members.Count}{(_mayBeMore ? " or more" : "")} different"),
    };

    /// <summary>Begins the next second. A gauge keeps its value.</summary>
    public void Restart()
    {
        _lines = 0;
        _sum = _highest = 0;
        _value = kind == MetricKind.Gauge ? _value : 0;

        // Not cleared: that would keep the memory of the busiest second.
        _times = _times.Count == 0 ? _times : [];
        _members = _members.Count == 0 ? _members : [];
        _mayBeMore = false;
    }

    private double Percentile(double part)
    {
        _times.Sort();
        return _times.Count == 0 ? double.NaN : _times[(int)Math.Ceiling(part * _times.Count) - 1]; // Nearest rank.
    }
}
