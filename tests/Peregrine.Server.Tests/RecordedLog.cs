using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Tests;

internal sealed record LogEntry(string Category, LogLevel Level, EventId Id, string Message, Exception? Exception);

/// <summary>Keeps what is logged, from Debug up; throws as well, if it is told to.</summary>
internal sealed class RecordedLog : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<LogEntry> _entries = new();
    private readonly string _category;
    private readonly RecordedLog _root;

    public RecordedLog()
    {
        _category = "";
        _root = this;
    }

    private RecordedLog(RecordedLog root, string category)
    {
        _root = root;
        _category = category;
    }

    /// <summary>Whether every call throws after it was recorded.</summary>
    public bool Throws { get; set; }

    /// <summary>The id of an entry whose logging waits for <see cref="Gate"/>.</summary>
    public int? BlocksId { get; set; }

    public ManualResetEventSlim Gate { get; } = new();

    /// <summary>What Peregrine itself logged.</summary>
    public IReadOnlyList<LogEntry> Entries => [.. _entries.Where(entry => entry.Category.StartsWith("Peregrine", StringComparison.Ordinal))];

    /// <summary>What was logged under any category.</summary>
    public IReadOnlyList<LogEntry> All => [.. _root._entries];

    public IReadOnlyList<LogEntry> WithId(int id) => [.. Entries.Where(entry => entry.Id.Id == id)];

    public ILogger CreateLogger(string categoryName) => new RecordedLog(_root, categoryName);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _root._entries.Enqueue(new LogEntry(_category, logLevel, eventId, formatter(state, exception), exception));
        if (_root.BlocksId == eventId.Id)
        {
            _root.Gate.Wait(TestServer.Limit);
        }

        if (_root.Throws && _category.StartsWith("Peregrine", StringComparison.Ordinal))
        {
            throw new InvalidOperationException("The log is full.");
        }
    }

    public void Dispose() => Gate.Set();
}
