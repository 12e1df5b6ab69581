using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Concurrency;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware;

/// <summary>Bounds how often peers connect.</summary>
public static class ConnectionRateLimitExtensions
{
    private const string Name = nameof(UseConnectionRateLimit);

    /// <summary>
    /// Lets each address connect so many times a second on average; of IPv6, each network of 64 bits. What is more is reset, with the reason
    /// <see cref="ConnectionCloseReason.RejectedConnectionRate"/>. Peers without an address, such as those of Unix domain sockets, are not counted.
    /// </summary>
    /// <remarks>
    /// An address is forgotten within a second of the time at which its burst is whole again, which is at most a second behind a single connection: what is kept is
    /// bounded by how fast connections are accepted. A Peregrine server has <c>Peregrine:Limits:ConnectionsPerSecondPerAddress</c>, over all endpoints; this is for pipelines in which the peer's
    /// address is known later, behind the PROXY protocol, and for Kestrel.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="perSecond">How many; from 1 to 1,000,000.</param>
    /// <param name="burst">How many may come at once. Default: as many as in a second; from 1 to 1,000,000.</param>
    /// <param name="exempt">Networks whose addresses are not counted, such as those of monitoring. Default: none.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">A number is out of its range.</exception>
    public static TBuilder UseConnectionRateLimit<TBuilder>(this TBuilder builder, int perSecond, int? burst = null, IEnumerable<IPNetwork>? exempt = null)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ThrowIfOutOfRange(nameof(perSecond), perSecond);
        ThrowIfOutOfRange(nameof(burst), burst ?? perSecond);
        var limiter = new PeerRateLimiter(perSecond, PipelineServices.ClockOf(builder.ApplicationServices), burst);
        var exempted = new NetworkSet(exempt ?? []);
        var refusals = new RefusalReport(builder.ApplicationServices);
        var explanation = $"{Name} lets an address connect {perSecond} times a second, and {burst ?? perSecond} times at once.";
        builder.Use(next => connection =>
        {
            if (PeerAddress.Of(connection.RemoteEndPoint) is not { } address || exempted.Contains(address)
                || limiter.AttemptAcquire(PeerNetwork.Of(address)).IsAcquired)
            {
                return next(connection);
            }

            refusals.Refuse(connection, ConnectionCloseReason.RejectedConnectionRate, explanation);
            return Task.CompletedTask;
        });
        return builder;
    }

    /// <summary>
    /// Lets connections through that get a lease of <paramref name="limiter"/>, which is given back when the rest of the pipeline has ended: partitions can also
    /// bound how many connections there are at once. Those that get none, at once or after the limiter's queue, are reset, with the reason
    /// <see cref="ConnectionCloseReason.RejectedConnectionRate"/>.
    /// </summary>
    /// <remarks>
    /// A limiter of <see cref="PartitionedRateLimiter.Create"/> keeps an object for each partition, for at least ten seconds: with one for each address, an attack from
    /// many addresses fills the memory. The other overload is bounded.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="limiter">The limiter. It is the caller's to dispose, after the server.</param>
    /// <returns>The builder.</returns>
    public static TBuilder UseConnectionRateLimit<TBuilder>(this TBuilder builder, PartitionedRateLimiter<ConnectionContext> limiter)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(limiter);
        var leases = new LeaseMiddleware(
            (connection, over) => limiter.AcquireAsync(connection, permitCount: 1, over), new RefusalReport(builder.ApplicationServices),
            ConnectionCloseReason.RejectedConnectionRate, $"The limiter of {Name} gave no lease.");
        builder.Use(next => connection => leases.RunAsync(connection, next));
        return builder;
    }

    private static void ThrowIfOutOfRange(string name, int value)
    {
        if (value is < 1 or > 1_000_000)
        {
            throw new InvalidOperationException($"{Name}: {name} = {value} is not a number from 1 to 1000000.");
        }
    }
}
