using System.Buffers.Text;

namespace Telemetry;

/// <summary>What a line of StatsD says: <c>name:value|kind</c>, and for counts and times <c>|@rate</c> if the client sends only a part of them.</summary>
/// <param name="Name">As it is on the wire.</param>
/// <param name="Kind">What the value is.</param>
/// <param name="Value">Of a set, a number for the text of the member.</param>
/// <param name="Rate">Which part of all lines is sent; from a millionth to 1.</param>
/// <param name="IsChange">A gauge with a sign: what is to be added to it.</param>
internal readonly ref struct MetricLine(ReadOnlySpan<byte> name, MetricKind kind, double value, double rate, bool isChange)
{
    public const int LongestName = 200;

    // So that no sum of a second, or of the changes of a gauge, is infinite, or none.
    private const double LargestValue = 1e15;
    private const double LowestRate = 1e-6;

    public ReadOnlySpan<byte> Name { get; } = name;

    public MetricKind Kind => kind;

    public double Value => value;

    public double Rate => rate;

    public bool IsChange => isChange;

    /// <summary>False if it is not such a line. Tags (<c>|#…</c>), which some clients add, are passed over.</summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out MetricLine metric)
    {
        metric = default;
        var colon = line.LastIndexOf((byte)':');
        var tags = line.IndexOf("|#"u8);
        if (tags >= 0)
        {
            line = line[..tags];
            colon = line.LastIndexOf((byte)':');
        }

        if (colon is < 1 or > LongestName || line[..colon].IndexOfAnyExceptInRange((byte)'!', (byte)'~') >= 0)
        {
            return false;
        }

        var rest = line[(colon + 1)..];
        var bar = rest.IndexOf((byte)'|');
        if (bar < 1)
        {
            return false;
        }

        var text = rest[..bar];
        var kind = rest[(bar + 1)..];
        var rate = 1.0;
        var at = kind.IndexOf("|@"u8);
        if (at >= 0)
        {
            if (!TryParseNumber(kind[(at + 2)..], out rate) || rate is < LowestRate or > 1)
            {
                return false;
            }

            kind = kind[..at];
        }

        if (!TryParseKind(kind, out var parsed))
        {
            return false;
        }

        double value;
        if (parsed == MetricKind.Set)
        {
            var hash = new HashCode();
            hash.AddBytes(text);
            value = hash.ToHashCode();
        }
        else if (!TryParseNumber(text, out value) || Math.Abs(value) > LargestValue || (parsed == MetricKind.Time && value < 0))
        {
            return false;
        }

        metric = new MetricLine(line[..colon], parsed, value, rate, text[0] is (byte)'+' or (byte)'-');
        return true;
    }

    private static bool TryParseKind(ReadOnlySpan<byte> text, out MetricKind kind)
    {
        kind = text.SequenceEqual("c"u8) ? MetricKind.Count
            : text.SequenceEqual("g"u8) ? MetricKind.Gauge
            : text.SequenceEqual("ms"u8) || text.SequenceEqual("h"u8) ? MetricKind.Time
            : text.SequenceEqual("s"u8) ? MetricKind.Set
            : MetricKind.None;
        return kind != MetricKind.None;
    }

    private static bool TryParseNumber(ReadOnlySpan<byte> text, out double value) =>
        Utf8Parser.TryParse(text, out value, out var read) && read == text.Length && double.IsFinite(value);
}

/// <summary>What a value is.</summary>
internal enum MetricKind
{
    None,

    /// <summary>Added up.</summary>
    Count,

    /// <summary>The last one stays.</summary>
    Gauge,

    /// <summary>How long something took, in milliseconds.</summary>
    Time,

    /// <summary>How many different ones there are.</summary>
    Set,
}
