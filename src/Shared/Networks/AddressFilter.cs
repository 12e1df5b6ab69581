using System.Net;

namespace Peregrine;

/// <summary>Which addresses may connect, by networks that may and networks that may not. Immutable.</summary>
internal sealed class AddressFilter(IEnumerable<IPNetwork> allow, IEnumerable<IPNetwork> deny)
{
    private readonly NetworkSet _allow = new(allow);
    private readonly NetworkSet _deny = new(deny);

    public bool IsAllowed(PeerAddress address) => (_allow.IsEmpty || _allow.Contains(address)) && !_deny.Contains(address);
}
