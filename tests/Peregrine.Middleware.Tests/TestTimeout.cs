namespace Peregrine.Middleware.Tests;

internal static class TestTimeout
{
    /// <summary>Says no more than "not for ever".</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static Task Bounded(this Task task) => task.WaitAsync(Limit, TimeProvider.System);

    public static Task<T> Bounded<T>(this Task<T> task) => task.WaitAsync(Limit, TimeProvider.System);

    public static Task<T> Bounded<T>(this ValueTask<T> task) => task.AsTask().Bounded();

    public static async Task UntilAsync(Func<bool> condition)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Limit, "It never came.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
