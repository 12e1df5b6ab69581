using Peregrine.Top.Views;

namespace Peregrine.Top.Tests.Views;

public sealed class ViewStateTests
{
    private static readonly ViewState Start = new(ConnectionSort.All[0]);

    [Fact]
    public void Sorting_goes_round_and_begins_at_the_first()
    {
        var view = Start with { Skip = 7 };
        var seen = new List<string>();
        for (var i = 0; i < ConnectionSort.All.Count; i++)
        {
            seen.Add(view.Sort.Name);
            view = view.On(Key(ConsoleKey.S, 's'), rows: 10, total: 100);
            Assert.Equal(0, view.Skip);
        }

        Assert.Equal(Start.Sort, view.Sort);
        Assert.Equal(ConnectionSort.All.Count, seen.Distinct().Count());
    }

    [Theory]
    [InlineData(ConsoleKey.DownArrow, 5, 6)]
    [InlineData(ConsoleKey.UpArrow, 5, 4)]
    [InlineData(ConsoleKey.UpArrow, 0, 0)]
    [InlineData(ConsoleKey.PageDown, 5, 15)]
    [InlineData(ConsoleKey.PageDown, 85, 90)]
    [InlineData(ConsoleKey.PageUp, 5, 0)]
    [InlineData(ConsoleKey.Home, 50, 0)]
    [InlineData(ConsoleKey.End, 50, 90)]
    public void Scrolling_stays_within_the_connections(ConsoleKey key, int from, int to) =>
        Assert.Equal(to, (Start with { Skip = from }).On(Key(key), rows: 10, total: 100).Skip);

    [Fact]
    public void Nothing_is_scrolled_where_all_fit() => Assert.Equal(0, Start.On(Key(ConsoleKey.PageDown), rows: 10, total: 3).Skip);

    [Fact]
    public void Keys_pause_help_and_quit()
    {
        Assert.True(Start.On(Key(ConsoleKey.P, 'p'), 1, 0).IsPaused);
        Assert.False(Start.On(Key(ConsoleKey.P, 'p'), 1, 0).On(Key(ConsoleKey.Spacebar, ' '), 1, 0).IsPaused);
        Assert.True(Start.On(Key(ConsoleKey.Oem2, '?'), 1, 0).IsHelp);
        Assert.True(Start.On(Key(ConsoleKey.Q, 'q'), 1, 0).IsOver);
        Assert.Equal(Start, Start.On(Key(ConsoleKey.X, 'x'), 1, 0));
    }

    private static ConsoleKeyInfo Key(ConsoleKey key, char character = '\0') => new(character, key, shift: false, alt: false, control: false);
}
