using Spectre.Console;
using Spectre.Console.Rendering;

namespace Peregrine.Top.Views;

/// <summary>A text of which what does not fit into one row is cut: a longer one would push others from the screen.</summary>
internal sealed class OneRow(string text, Style? style = null) : Renderable
{
    protected override Measurement Measure(RenderOptions options, int maxWidth) => new(Math.Min(1, maxWidth), maxWidth);

    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
        [Segment.Truncate(new Segment(text, style ?? Style.Plain), maxWidth) ?? Segment.Empty, Segment.LineBreak];
}
