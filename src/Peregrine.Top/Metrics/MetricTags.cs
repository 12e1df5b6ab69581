namespace Peregrine.Top.Metrics;

/// <summary>Reads the tags of a series as <c>MetricsEventSource</c> writes them: <c>name=value,name=value</c>, with nothing escaped.</summary>
internal static class MetricTags
{
    public static IReadOnlyDictionary<string, string> Parse(string text)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        string? last = null;
        foreach (var part in text.Split(','))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                last = part[..equals];
                tags[last] = part[(equals + 1)..];
            }
            else if (last is not null)
            {
                tags[last] += "," + part; // A value with a comma.
            }
        }

        return tags;
    }

    /// <summary>As <c>0.5=0.001;0.95=0.002</c>.</summary>
    public static IReadOnlyDictionary<double, double> ParseQuantiles(string text)
    {
        var quantiles = new Dictionary<double, double>();
        foreach (var part in text.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && TryParse(part[..equals], out var quantile) && TryParse(part[(equals + 1)..], out var value))
            {
                quantiles[quantile] = value;
            }
        }

        return quantiles;
    }

    public static bool TryParse(string? text, out double value) =>
        double.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out value);
}
