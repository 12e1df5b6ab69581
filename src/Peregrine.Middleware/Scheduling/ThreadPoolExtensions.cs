using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Scheduling;

namespace Peregrine.Middleware;

/// <summary>Leaves event loops.</summary>
public static class ThreadPoolExtensions
{
    /// <summary>
    /// Runs the rest of the pipeline on the thread pool, whatever the endpoint's <see cref="ConnectionScheduling"/>: it is called there, and goes on there
    /// after each read and flush that had to wait. For handlers that block, on an endpoint whose other middleware, such as TLS, is to run on the event loops.
    /// </summary>
    /// <remarks>
    /// What completes on a thread of the pool already goes on where it is, so that this costs nothing to speak of where the transport schedules
    /// by the pool. <see cref="IConnectionSchedulingFeature"/> leads to the pool, too.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <returns>The builder.</returns>
    public static TBuilder UseThreadPool<TBuilder>(this TBuilder builder)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Use(next => connection => ThreadPoolMiddleware.RunAsync(connection, next));
        return builder;
    }
}
