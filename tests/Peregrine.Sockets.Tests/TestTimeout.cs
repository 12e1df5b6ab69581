namespace Peregrine.Sockets.Tests;

internal static class TestTimeout
{
    /// <summary>How long a test waits for what must come: it says no more than "not for ever", and a busy machine may take its time.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static Task Bounded(this Task task) => task.WaitAsync(Limit);

    public static Task<T> Bounded<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static Task<T> Bounded<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Limit);

    public static Task Bounded(this ValueTask task) => task.AsTask().WaitAsync(Limit);
}
