namespace Peregrine.Middleware.Pipes;

/// <summary>Goes on on the thread pool, for what happens once or seldom in a connection.</summary>
internal static class ThreadPoolHop
{
    public static async ValueTask AfterAsync(ValueTask operation)
    {
        try
        {
            await operation.ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    public static async ValueTask<TResult> AfterAsync<TResult>(ValueTask<TResult> operation)
    {
        try
        {
            return await operation.ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Complete on a thread of the pool; on another, such as an event loop's, it goes on on one.</summary>
    public static async ValueTask LeaveAsync()
    {
        if (!Thread.CurrentThread.IsThreadPoolThread)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }
}
