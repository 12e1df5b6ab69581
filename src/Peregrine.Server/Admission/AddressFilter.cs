using System.Net;

namespace Peregrine.Server.Admission;

/// <summary>The rules of an endpoint for addresses (<see cref="Limits.AddressRules"/>), as they are now. Immutable.</summary>
internal sealed class AddressFilter(IEnumerable<IPNetwork> allow, IEnumerable<IPNetwork> deny)
{
    private readonly NetworkSet _allow = new(allow);
    private readonly NetworkSet _deny = new(deny);

    public bool IsAllowed(PeerAddress address) => (_allow.IsEmpty || _allow.Contains(address)) && !_deny.Contains(address);
}
