using Microsoft.AspNetCore.Connections;
using Peregrine.Middleware.Rates;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware;

/// <summary>Bounds how fast connections are read.</summary>
public static class ReadRateLimitExtensions
{
    private const int Least = 1024;

    /// <summary>
    /// Reads at most <paramref name="bytesPerSecond"/> from each connection, on average, with a burst of as many. Beyond it nothing is read, and the window
    /// of the transport slows the peer: nothing is lost. A single read brings what is there, and is paid for before the next.
    /// </summary>
    /// <remarks>
    /// A Peregrine endpoint has <c>Limits:ReadBytesPerSecond</c>, which can change while it runs. What counts is what the connection tells of by
    /// <c>IConnectionByteCountFeature</c>, behind TLS the encrypted bytes; where it has none, as on Kestrel, what is read through this middleware. Kestrel reads
    /// ahead, up to its own limit, before it stops reading from the socket.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="bytesPerSecond">How many; from 1,024.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException"><paramref name="bytesPerSecond"/> is less than it may be.</exception>
    public static TBuilder UseReadRateLimit<TBuilder>(this TBuilder builder, int bytesPerSecond)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (bytesPerSecond < Least)
        {
            throw new InvalidOperationException($"{nameof(UseReadRateLimit)}: bytesPerSecond = {bytesPerSecond} is not a number from {Least}.");
        }

        var limit = new ReadRateLimit(bytesPerSecond, PipelineServices.ClockOf(builder.ApplicationServices));
        builder.Use(next => connection => limit.RunAsync(connection, next));
        return builder;
    }
}
