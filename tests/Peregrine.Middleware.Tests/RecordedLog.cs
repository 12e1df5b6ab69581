using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Tests;

internal sealed record LogEntry(string Category, LogLevel Level, int Id, string Message);

/// <summary>Keeps what is logged from a level up; throws as well, if it is told to.</summary>
internal sealed class RecordedLog(LogLevel level) : ILoggerFactory, ILoggerProvider
{
    private readonly ConcurrentQueue<LogEntry> _entries = new();

    /// <summary>Whether every call throws, after it was recorded.</summary>
    public bool Throws { get; set; }

    public IReadOnlyList<LogEntry> Entries => [.. _entries];

    public IReadOnlyList<LogEntry> WithId(int id, string category = "Peregrine.Middleware") =>
        [.. _entries.Where(entry => entry.Id == id && entry.Category == category)];

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class Logger(RecordedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LevelOf();

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            log._entries.Enqueue(new LogEntry(category, logLevel, eventId.Id, formatter(state, exception)));
            if (log.Throws)
            {
                throw new InvalidOperationException("The log is full.");
            }
        }

        private LogLevel LevelOf() => log.Level;
    }

    private LogLevel Level => level;
}
