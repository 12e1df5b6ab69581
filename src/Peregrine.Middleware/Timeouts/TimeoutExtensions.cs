using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Refusals;
using Peregrine.Middleware.Timeouts;

namespace Peregrine.Middleware;

/// <summary>Times the peers of a pipeline.</summary>
public static class TimeoutExtensions
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(24);

    /// <summary>
    /// Sets timeouts for the connections of this pipeline. On a Peregrine server it sets those of the connection (<see cref="IConnectionTimeoutFeature"/>), which
    /// the server keeps. Elsewhere, as on Kestrel and on clients, it keeps them itself: by the reads and flushes that pass, once a second, with one timer for all
    /// connections; and offers <see cref="IConnectionTimeoutFeature"/> and <see cref="IConnectionHandshakeFeature"/> to what is behind it. A connection whose time is over
    /// is reset, with the timeout as its reason.
    /// </summary>
    /// <remarks>
    /// Where it keeps them itself it knows less than a server that asks the kernel. A peer counts as awaited while a read waits for it: a handler that
    /// does not read keeps its connection. A flush that has to wait, and completes, tells that the peer takes what is sent; Kestrel's waits while more
    /// than 64 KiB are unsent, and goes on when half of them are, so that <see cref="ConnectionTimeoutOptions.WriteProgress"/> must leave a slow peer the time for that.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="configure">Sets the timeouts.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">None is set, or one to what it cannot be.</exception>
    public static TBuilder UseTimeouts<TBuilder>(this TBuilder builder, Action<ConnectionTimeoutOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new ConnectionTimeoutOptions();
        configure(options);
        Check(options);
        var services = builder.ApplicationServices;
        var watch = new TimeoutWatch(options, PipelineServices.ClockOf(services), new RefusalReport(services));
        builder.Use(next => connection => connection.Features.Get<IConnectionTimeoutFeature>() is { } timeouts
            ? SetAndRun(connection, next, timeouts, options)
            : watch.RunAsync(connection, next));
        return builder;
    }

    private static Task SetAndRun(ConnectionContext connection, ConnectionDelegate next, IConnectionTimeoutFeature timeouts, ConnectionTimeoutOptions options)
    {
        // What is not set stays the endpoint's, and follows its changes.
        if (options.FirstByte is { } firstByte)
        {
            timeouts.FirstByte = firstByte;
        }

        if (options.Handshake is { } handshake)
        {
            timeouts.Handshake = handshake;
        }

        if (options.Idle is { } idle)
        {
            timeouts.Idle = idle;
        }

        if (options.WriteProgress is { } writeProgress)
        {
            timeouts.WriteProgress = writeProgress;
        }

        if (options.MinReadRateInBytesPerSecond is { } rate)
        {
            timeouts.MinReadRateInBytesPerSecond = rate;
        }

        if (options.MinReadRateGrace is { } minReadRateGrace)
        {
            timeouts.MinReadRateGrace = minReadRateGrace;
        }

        return next(connection);
    }

    private static void Check(ConnectionTimeoutOptions options)
    {
        CheckTime(nameof(options.FirstByte), options.FirstByte, TimeSpan.Zero);
        CheckTime(nameof(options.Handshake), options.Handshake, TimeSpan.Zero);
        CheckTime(nameof(options.Idle), options.Idle, TimeSpan.Zero);
        CheckTime(nameof(options.WriteProgress), options.WriteProgress, TimeSpan.Zero);
        CheckTime(nameof(options.MinReadRateGrace), options.MinReadRateGrace, TimeSpan.FromSeconds(1));
        if (options.MinReadRateInBytesPerSecond < 0)
        {
            throw new InvalidOperationException(
                $"{nameof(UseTimeouts)}: {nameof(options.MinReadRateInBytesPerSecond)} = {options.MinReadRateInBytesPerSecond} is not a number from 0, which is off.");
        }

        if ((options.FirstByte ?? options.Handshake ?? options.Idle ?? options.WriteProgress ?? options.MinReadRateGrace) is null
            && options.MinReadRateInBytesPerSecond is null)
        {
            throw new InvalidOperationException($"{nameof(UseTimeouts)} sets no timeout: set one, such as {nameof(options.Idle)}, or leave it out.");
        }
    }

    private static void CheckTime(string name, TimeSpan? value, TimeSpan least)
    {
        if (value is { } time && (time < least || time > s_longest))
        {
            throw new InvalidOperationException($"{nameof(UseTimeouts)}: {name} = {time} is not a time from {least} to {s_longest}.");
        }
    }
}
