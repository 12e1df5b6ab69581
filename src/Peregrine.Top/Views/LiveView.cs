using System.Runtime.InteropServices;
using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Peregrine.Top.Views;

/// <summary>The terminal, as one screen that is drawn over and over.</summary>
internal static class LiveView
{
    private const string Enter = "\e[?1049h\e[?25l";
    private const string Leave = "\e[?25h\e[?1049l";
    private static readonly TimeSpan KeyInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>To the end of the process watched, or until it is left.</summary>
    /// <exception cref="ToolException">The process is gone.</exception>
    public static async Task RunAsync(Watched watched, ConnectionSort sort, TimeSpan interval, CancellationToken cancellationToken)
    {
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Leave(context, left));
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Leave(context, left));
        Console.Write(Enter);
        try
        {
            await DrawAsync(watched, new ViewState(sort), interval, left.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Left.
        }
        finally
        {
            Console.Write(LiveView.Leave);
        }

        static void Leave(PosixSignalContext context, CancellationTokenSource left)
        {
            context.Cancel = true;
            left.Cancel();
        }
    }

    private static async Task DrawAsync(Watched watched, ViewState view, TimeSpan interval, CancellationToken cancellationToken)
    {
        var looked = TimeProvider.System.GetTimestamp();
        Snapshot? snapshot = null;
        var (width, height) = (0, 0);
        while (!view.IsOver)
        {
            var before = view;
            var size = (Console.WindowWidth, Console.WindowHeight);
            var rows = Screen.RowsFor(size.WindowHeight, snapshot?.Measures.Endpoints.Count ?? 1);
            while (Console.KeyAvailable)
            {
                view = view.On(Console.ReadKey(intercept: true), rows, snapshot?.Connections?.Total ?? 0);
            }

            var isDue = TimeProvider.System.GetElapsedTime(looked) >= interval && !view.IsPaused;
            if (snapshot is null || isDue || view.Sort != before.Sort || view.Skip != before.Skip || (size != (width, height) && !view.IsPaused))
            {
                if (watched.Metrics.Ended.IsCompleted)
                {
                    throw new ToolException(ExitCodes.NotFound, $"Process {watched.Process.Id} ({watched.Process.Name}) has ended.");
                }

                looked = TimeProvider.System.GetTimestamp();
                snapshot = await watched.LookAsync(view.Sort, view.Skip, rows, cancellationToken).ConfigureAwait(false);
                Draw(snapshot, view, size);
            }
            else if (view != before || size != (width, height))
            {
                Draw(snapshot, view, size);
            }

            (width, height) = size;
            await Task.Delay(KeyInterval, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    private static void Draw(Snapshot snapshot, ViewState view, (int Width, int Height) size)
    {
        var body = view.IsHelp ? Screen.Help() : Screen.Render(snapshot, view, size.Height);
        var frame = new StringBuilder("\e[H");
        foreach (var line in Lines(body, size.Width).Take(Math.Max(0, size.Height - 1)).Concat(Enumerable.Repeat("", size.Height)).Take(Math.Max(0, size.Height - 1)))
        {
            frame.Append(line).Append("\e[K\r\n");
        }

        frame.Append(Lines(Screen.Footer(view), size.Width).FirstOrDefault()).Append("\e[K");
        Console.Write(frame);
    }

    private static string[] Lines(IRenderable content, int width)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = Math.Max(20, width);
        console.Write(content);
        return text.ToString().TrimEnd('\n').Split('\n');
    }
}
