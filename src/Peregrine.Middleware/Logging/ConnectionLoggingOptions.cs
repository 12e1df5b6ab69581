using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware;

/// <summary>What <see cref="ConnectionLoggingExtensions.UseConnectionLogging{TBuilder}(TBuilder, Action{ConnectionLoggingOptions})"/> logs.</summary>
public sealed class ConnectionLoggingOptions
{
    /// <summary>The category of the logger. Its level decides what is logged. Default <c>Peregrine.Middleware.ConnectionLogging</c>.</summary>
    public string Category { get; set; } = Logging.ConnectionLoggingLog.Category;

    /// <summary>
    /// How many bytes of a read or a flush are dumped. Default 4,096; from 1 to 1,048,576. What is more is counted: <c>… n more bytes</c>. A dump is
    /// about five times as long as its bytes.
    /// </summary>
    public int MaxDumpSizeInBytes { get; set; } = 4096;

    /// <summary>
    /// Called with bytes that are about to be dumped, to hide those that must not be in a log: passwords, keys. Default: nothing is hidden. It sees a
    /// copy: the bytes themselves stay as they are. What it throws leaves the dump out, which the log says, and does not end the connection. Reads and
    /// writes of a connection, and connections, come at the same time; those of one direction come in turn.
    /// </summary>
    public Action<LoggedBytes>? Redact { get; set; }

    /// <summary>Makes the logger. Default: the <see cref="ILoggerFactory"/> of the builder's <c>ApplicationServices</c>.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }
}
