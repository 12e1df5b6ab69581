using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Tests.Admin;

namespace Peregrine.Server.Tests.Diagnostics;

public sealed class ConnectionScopeTests
{
    [Fact]
    public async Task What_a_handler_logs_has_the_connection_and_the_endpoint_around_it()
    {
        using var log = new ScopedLog();
        await using var server = Create(log, LogLevel.Information);
        await server.StartAsync();
        await (await server.ConnectAsync()).ReceiveToEndAsync();
        var scope = Assert.Single(log.Entries.Single(entry => entry.Category == "Application").Scopes);
        Assert.NotNull(scope);
        var values = Assert.IsAssignableFrom<IReadOnlyList<KeyValuePair<string, object?>>>(scope);
        Assert.Equal(["ConnectionId", "Endpoint"], values.Select(value => value.Key));
        Assert.StartsWith("mem-", (string?)values[0].Value, StringComparison.Ordinal);
        Assert.Equal("test", values[1].Value);
        Assert.Equal($"ConnectionId:{values[0].Value} Endpoint:test", scope.ToString());
        await server.StopAsync();
        Assert.Empty(log.Entries.Last(entry => entry.Category == "Peregrine.Server").Scopes); // The end of the stop.
    }

    [Fact]
    public async Task A_server_whose_log_is_off_makes_no_scope()
    {
        using var log = new ScopedLog();
        await using var server = Create(log, LogLevel.None);
        await server.StartAsync();
        await (await server.ConnectAsync()).ReceiveToEndAsync();
        Assert.Empty(log.Entries.Single(entry => entry.Category == "Application").Scopes);
    }

    [Fact]
    public async Task A_log_that_throws_for_scopes_harms_nobody()
    {
        using var log = new ScopedLog { ThrowsForScopes = true };
        await using var server = Create(log, LogLevel.Information);
        await server.StartAsync();
        await (await server.ConnectAsync()).ReceiveToEndAsync();
        Assert.Single(log.Entries, entry => entry.Category == "Application");
    }

    [Fact]
    public async Task What_is_around_a_resume_is_not_around_what_is_accepted_after_it()
    {
        const int LimitReached = 22;
        using var log = new ScopedLog();
        await using var server = Create(log, LogLevel.Debug, new Dictionary<string, string?> { ["Peregrine:Limits:MaxConnectionsPerAddress"] = "1" }, Handlers.EchoAsync);
        await server.StartAsync();
        await server.Server.Endpoints[0].SuspendAsync();
        using (server.Host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Application").BeginScope("An administrator's request."))
        {
            await server.Server.Endpoints[0].ResumeAsync();
        }

        await server.ConnectAsync();
        await Assert.ThrowsAsync<ConnectionResetException>(async () => await (await server.ConnectAsync()).ReceiveToEndAsync());
        await PeregrineAdminTests.UntilAsync(() => log.Entries.Any(static entry => entry.Id == LimitReached));
        Assert.Empty(log.Entries.Single(static entry => entry.Id == LimitReached).Scopes);
    }

    private static TestServer Create(ScopedLog log, LogLevel level, Dictionary<string, string?>? settings = null, ConnectionDelegate? handler = null) => new(
        builder => builder.Listen("test", "tcp://127.0.0.1:0", tcp =>
        {
            var logger = tcp.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Application");
            tcp.Run(connection =>
            {
                logger.Log(LogLevel.Warning, new EventId(1), "Handled.", null, static (text, _) => text);
                return handler is null ? Task.CompletedTask : handler(connection);
            });
        }),
        settings,
        services: services => services.AddLogging(logging => logging.AddFilter("Peregrine.Server", level).AddProvider(log)));

    private sealed record Entry(string Category, int Id, List<object?> Scopes);

    private sealed class ScopedLog : ILoggerProvider, ISupportExternalScope
    {
        private IExternalScopeProvider? _scopes;

        public ConcurrentQueue<Entry> Entries { get; } = new();

        public bool ThrowsForScopes { get; init; }

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

        public void Dispose()
        {
        }

        private sealed class Logger(ScopedLog log, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull
                => log.ThrowsForScopes ? throw new InvalidOperationException("The log is full.") : null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                var scopes = new List<object?>();
                log._scopes?.ForEachScope(static (scope, scopes) => scopes.Add(scope), scopes);
                log.Entries.Enqueue(new Entry(category, eventId.Id, scopes));
            }
        }
    }
}
