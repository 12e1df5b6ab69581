using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Logging;

/// <summary>Puts a reader and a writer that log into connections, while the level is on.</summary>
internal sealed class ConnectionLoggingMiddleware
{
    private const int LargestDump = 1 << 20;

    private readonly int _maxDumpSize;
    private readonly Action<LoggedBytes>? _redact;
    private readonly GuardedLogger _logger;

    public ConnectionLoggingMiddleware(ConnectionLoggingOptions options, IServiceProvider? services)
    {
        if (options.MaxDumpSizeInBytes is < 1 or > LargestDump)
        {
            throw new InvalidOperationException(
                $"UseConnectionLogging: MaxDumpSizeInBytes = {options.MaxDumpSizeInBytes} is not a number from 1 to {LargestDump}; the default is 4096.");
        }

        if (string.IsNullOrEmpty(options.Category))
        {
            throw new InvalidOperationException("UseConnectionLogging: Category is empty; the default is Peregrine.Middleware.ConnectionLogging.");
        }

        var factory = options.LoggerFactory ?? (ILoggerFactory?)services?.GetService(typeof(ILoggerFactory))
            ?? throw new InvalidOperationException("UseConnectionLogging finds no logger factory: add logging to the services, or set LoggerFactory.");
        _maxDumpSize = options.MaxDumpSizeInBytes;
        _redact = options.Redact;
        _logger = new GuardedLogger(factory.CreateLogger(options.Category));
    }

    public Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        // Trace is asked for by itself: a filter may let it through and not Debug.
        var dumps = _logger.IsEnabled(LogLevel.Trace);
        return dumps || _logger.IsEnabled(LogLevel.Debug) ? RunLoggedAsync(connection, next, dumps ? _maxDumpSize : 0) : next(connection);
    }

    private async Task RunLoggedAsync(ConnectionContext connection, ConnectionDelegate next, int maxDumpSize)
    {
        var transport = connection.Transport;
        using var received = new LoggedFlow(connection, LoggedDirection.Received, _logger, maxDumpSize, _redact);
        using var sent = new LoggedFlow(connection, LoggedDirection.Sent, _logger, maxDumpSize, _redact);
        try
        {
            await connection.RunWithTransportAsync(new LoggedReader(transport.Input, received), new LoggedWriter(transport.Output, sent), next)
                .ConfigureAwait(false);
        }
        catch
        {
            // What was not flushed is not sent where the handler has failed.
            sent.Discard();
            throw;
        }

        // What the handler has left unflushed is sent by the close.
        sent.Log();
    }
}
