using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware;

/// <summary>Lets connections through by the peer's address.</summary>
public static class AddressRulesExtensions
{
    /// <summary>
    /// Resets connections whose <c>RemoteEndPoint</c> may not connect, before a byte is read of what is behind. The reason is
    /// <see cref="ConnectionCloseReason.RejectedAddress"/>.
    /// </summary>
    /// <remarks>
    /// A Peregrine endpoint has such rules of its own, which refuse earlier and can change while it runs. This is for pipelines in which the peer's
    /// address is known later, behind the PROXY protocol, and for Kestrel.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">A pipeline of Peregrine's or Kestrel's.</param>
    /// <param name="configure">Sets the rules.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">There is no rule.</exception>
    public static TBuilder UseAddressRules<TBuilder>(this TBuilder builder, Action<AddressRules> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var rules = new AddressRules();
        configure(rules);
        if (rules.Allow.Count + rules.Deny.Count == 0)
        {
            throw new InvalidOperationException("UseAddressRules has no rule, and would let everybody in: add networks to Allow or Deny, or leave it out.");
        }

        var filter = new AddressFilter(rules.Allow, rules.Deny);
        var refusals = new RefusalReport(builder.ApplicationServices);
        builder.Use(next => connection =>
        {
            if (PeerAddress.Of(connection.RemoteEndPoint) is not { } address || filter.IsAllowed(address))
            {
                return next(connection);
            }

            refusals.Refuse(connection, ConnectionCloseReason.RejectedAddress, "The rules of UseAddressRules do not let the peer's address connect.");
            return Task.CompletedTask;
        });
        return builder;
    }
}
