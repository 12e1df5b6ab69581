namespace Peregrine.Top.Metrics;

/// <summary>The last measurement of one time series of a process.</summary>
/// <param name="Instrument">The name of the instrument.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Tags">The tags of the series.</param>
/// <param name="Value">A gauge's value; of a counter, the sum since the tool is attached; of a histogram, how many measurements since then.</param>
/// <param name="Rate">Of counters and histograms, by how much that grew in a second of the last interval.</param>
/// <param name="Quantiles">Of a histogram, those of the last interval in which something was measured.</param>
internal sealed record MetricValue(
    string Instrument, string Unit, IReadOnlyDictionary<string, string> Tags, double Value, double Rate, IReadOnlyDictionary<double, double> Quantiles)
{
    public string Tag(string name) => Tags.GetValueOrDefault(name, "");
}
