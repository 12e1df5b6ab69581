using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Middleware.Logging;

namespace Peregrine.Middleware;

/// <summary>Logs the bytes that pass.</summary>
public static class ConnectionLoggingExtensions
{
    /// <summary>
    /// Logs what the rest of the pipeline reads and writes: at <see cref="LogLevel.Debug"/> direction, offset and size, at
    /// <see cref="LogLevel.Trace"/> a dump in hexadecimal and ASCII instead. Each byte is logged once. Where it stands decides what it sees: behind TLS, plain text.
    /// </summary>
    /// <remarks>
    /// The level is looked at when a connection begins. Where it is off then, the connection is left as it is, and logging costs nothing, also if the
    /// level is lowered later.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">There is no logger factory.</exception>
    public static TBuilder UseConnectionLogging<TBuilder>(this TBuilder builder)
        where TBuilder : IConnectionBuilder
        => builder.UseConnectionLogging(static _ => { });

    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="configure">Sets the options.</param>
    /// <exception cref="InvalidOperationException">There is no logger factory, or an option has a value that it cannot have.</exception>
    /// <inheritdoc cref="UseConnectionLogging{TBuilder}(TBuilder)"/>
    public static TBuilder UseConnectionLogging<TBuilder>(this TBuilder builder, Action<ConnectionLoggingOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new ConnectionLoggingOptions();
        configure(options);
        var logging = new ConnectionLoggingMiddleware(options, builder.ApplicationServices);
        builder.Use(next => connection => logging.RunAsync(connection, next));
        return builder;
    }
}
