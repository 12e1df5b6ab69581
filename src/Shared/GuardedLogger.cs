using Microsoft.Extensions.Logging;

namespace Peregrine;

/// <summary>A logger whose provider may throw without ending the loop, the connection or the process that logs.</summary>
internal sealed class GuardedLogger(ILogger logger) : ILogger
{
    /// <returns>The provider's own, for <see cref="EndScope"/>: an object around it would be kept by every connection.</returns>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
    {
        try
        {
            return logger.BeginScope(state);
        }
        catch (Exception)
        {
            return null;
        }
    }

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return logger.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // There is nowhere left to tell it.
        }
    }

    public static void EndScope(IDisposable? scope)
    {
        try
        {
            scope?.Dispose();
        }
        catch (Exception)
        {
            // As above.
        }
    }
}
