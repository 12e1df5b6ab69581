using Peregrine.Middleware;

namespace Peregrine.Server.Datagrams;

/// <summary>Takes datagrams out whose addresses may not send. The rules can change while it runs.</summary>
internal sealed class DatagramAddressRules(DatagramCounters counters, DatagramDelegate next)
{
    // Null lets everybody in, without a look at each datagram.
    private volatile AddressFilter? _filter;

    public void Apply(AddressRules rules) =>
        _filter = rules.Allow.Count + rules.Deny.Count == 0 ? null : new AddressFilter(rules.Allow, rules.Deny);

    public ValueTask HandleAsync(DatagramBatch batch, DatagramSender sender)
    {
        if (_filter is { } filter)
        {
            var rejected = batch.RemoveAll(filter, static (in datagram, filter) => !filter.IsAllowed(AddressOf(datagram.RemoteAddress)));
            if (rejected > 0)
            {
                counters.AddDropped(DatagramDropReason.RejectedAddress, rejected);
            }

            if (batch.Count == 0)
            {
                return default;
            }
        }

        return next(batch, sender);
    }

    private static PeerAddress AddressOf(DatagramAddress address) =>
        address.IsIPv4 ? new(address.IPv4Bits, IsIPv6: false) : new(new UInt128(address.UpperBits, address.LowerBits), IsIPv6: true);
}
