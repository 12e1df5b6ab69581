using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Concurrency;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware;

/// <summary>Bounds how many connections are in a part of a pipeline at once.</summary>
public static class ConcurrencyLimitExtensions
{
    private const string Name = nameof(UseConcurrencyLimit);

    /// <summary>
    /// Lets at most <paramref name="limit"/> connections into the rest of the pipeline at once. Of the others, <paramref name="queue"/> wait, first come,
    /// first served; what is more is reset, with the reason <see cref="ConnectionCloseReason.RejectedConcurrency"/>.
    /// </summary>
    /// <remarks>
    /// One that waits holds a socket and no buffer. It ends quietly when its peer closes the connection, or the server stops. The limits of a server
    /// (<c>Peregrine:Limits</c>) leave clients in the system's queue instead; this is for what only a part of a pipeline is short of, such as the
    /// connections of a database.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="limit">How many; from 1.</param>
    /// <param name="queue">How many wait. Default 0.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException"><paramref name="limit"/> or <paramref name="queue"/> is less than it may be.</exception>
    public static TBuilder UseConcurrencyLimit<TBuilder>(this TBuilder builder, int limit, int queue = 0)
        where TBuilder : IConnectionBuilder
    {
        if (limit < 1)
        {
            throw new InvalidOperationException($"{Name}: limit = {limit} is not a number from 1.");
        }

        if (queue < 0)
        {
            throw new InvalidOperationException($"{Name}: queue = {queue} is not a number from 0.");
        }

        // It lives as long as the pipeline, and holds no timer.
        var limiter = new ConcurrencyLimiter(new ConcurrencyLimiterOptions
        {
            PermitLimit = limit,
            QueueLimit = queue,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
        });
        return builder.Use(limiter, $"{Name} lets {limit} in at once, and {queue} wait.");
    }

    /// <summary>
    /// Lets connections into the rest of the pipeline that get a lease of <paramref name="limiter"/>, which is given back when the rest has ended. Those that get
    /// none, at once or after the limiter's queue, are reset, with the reason <see cref="ConnectionCloseReason.RejectedConcurrency"/>.
    /// </summary>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="limiter">The limiter. It is the caller's to dispose, after the server; several pipelines can share it.</param>
    /// <returns>The builder.</returns>
    public static TBuilder UseConcurrencyLimit<TBuilder>(this TBuilder builder, RateLimiter limiter)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(limiter);
        return builder.Use(limiter, $"The limiter of {Name} gave no lease.");
    }

    private static TBuilder Use<TBuilder>(this TBuilder builder, RateLimiter limiter, string explanation)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        var leases = new LeaseMiddleware(
            (_, over) => limiter.AcquireAsync(permitCount: 1, over), new RefusalReport(builder.ApplicationServices), ConnectionCloseReason.RejectedConcurrency, explanation);
        builder.Use(next => connection => leases.RunAsync(connection, next));
        return builder;
    }
}
