namespace Peregrine.Top.Views;

/// <summary>What the person at the keys looks at. Immutable.</summary>
/// <param name="Sort">The order of connections.</param>
/// <param name="Skip">How many are above the screen.</param>
/// <param name="IsPaused">It stays as it is.</param>
/// <param name="IsHelp">The keys are shown instead.</param>
/// <param name="IsOver">It ends.</param>
internal sealed record ViewState(ConnectionSort Sort, int Skip = 0, bool IsPaused = false, bool IsHelp = false, bool IsOver = false)
{
    /// <param name="key">What was pressed.</param>
    /// <param name="rows">How many connections are on a screen.</param>
    /// <param name="total">How many there are.</param>
    public ViewState On(ConsoleKeyInfo key, int rows, int total) => (key.Key, key.KeyChar) switch
    {
        (ConsoleKey.Q, _) => this with { IsOver = true },
        (ConsoleKey.S, _) => this with { Sort = Sort.Next, Skip = 0 },
        (ConsoleKey.P, _) or (ConsoleKey.Spacebar, _) => this with { IsPaused = !IsPaused },
        (_, '?') or (ConsoleKey.H, _) => this with { IsHelp = !IsHelp },
        (ConsoleKey.DownArrow, _) => Scroll(1, rows, total),
        (ConsoleKey.UpArrow, _) => Scroll(-1, rows, total),
        (ConsoleKey.PageDown, _) => Scroll(rows, rows, total),
        (ConsoleKey.PageUp, _) => Scroll(-rows, rows, total),
        (ConsoleKey.Home, _) => this with { Skip = 0 },
        (ConsoleKey.End, _) => Scroll(total, rows, total),
        _ => this,
    };

    private ViewState Scroll(int by, int rows, int total) => this with { Skip = Math.Clamp(Skip + by, 0, Math.Max(0, total - rows)) };
}
