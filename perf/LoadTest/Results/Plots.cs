using ScottPlot;
using ScottPlot.Plottables;

namespace Peregrine.LoadTest.Results;

/// <summary>Bars of the medians, with the least and the greatest of the rounds.</summary>
internal static class Plots
{
    private const int Width = 800;
    private const int HeightOfBar = 45;
    private const int HeightOfRest = 110;

    public static bool IsDrawn(ScenarioResult result) => Drawn(result).Length > 0;

    /// <summary>The plot as SVG; null if nothing was measured.</summary>
    public static string? TryDraw(ScenarioResult result)
    {
        var drawn = Drawn(result);
        if (drawn.Length == 0)
        {
            return null;
        }

        using var plot = new Plot();
        var metric = result.Scenario.Metrics[0];
        for (var i = 0; i < drawn.Length; i++)
        {
            var (values, median) = (drawn[i].Values(metric), drawn[i].Median(metric)!.Value);
            var y = drawn.Length - 1 - i;
            var bar = plot.Add.Bar(y, median);
            bar.Horizontal = true;
            bar.Color = Colors.SteelBlue;
            plot.Add.Plottable(new ErrorBar([median], [y], [median - values[0]], [values[^1] - median], null, null) { Color = Colors.Black });
            plot.Add.Text($" {metric.Show(median)}", values[^1], y).LabelAlignment = Alignment.MiddleLeft;
        }

        plot.Title($"{result.Scenario.Name}: {metric.Title}");
        plot.Axes.Left.SetTicks([.. drawn.Select((_, i) => (double)(drawn.Length - 1 - i))], [.. drawn.Select(one => one.Contestant.Title)]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Margins(left: 0, right: 0.15);
        plot.HideGrid();
        plot.Font.Set("DejaVu Sans");

        // Skia ends its lists of positions with a comma, which a strict reader rejects.
        return plot.GetSvgXml(Width, (drawn.Length * HeightOfBar) + HeightOfRest).Replace(", \"", "\"", StringComparison.Ordinal);
    }

    private static ContestantResult[] Drawn(ScenarioResult result) =>
        [.. result.Contestants.Where(contestant => contestant.Median(result.Scenario.Metrics[0]) is not null)];
}
