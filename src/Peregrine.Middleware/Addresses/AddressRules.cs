using System.Net;

namespace Peregrine.Middleware;

/// <summary>
/// Which addresses may connect. Others are reset before a byte is read. For an endpoint, section <c>Peregrine:Endpoints:&lt;name&gt;:Addresses</c>, of
/// which a change takes effect at once, on what comes after it; or for a pipeline
/// (<see cref="AddressRulesExtensions.UseAddressRules{TBuilder}(TBuilder, Action{AddressRules})"/>), where it is read when that is built.
/// </summary>
/// <remarks>A peer on IPv4 is its IPv4 address, also on a listener of both families. Peers of Unix domain sockets have none, and may connect.</remarks>
public sealed class AddressRules
{
    /// <summary>The networks that may connect. Default: none, which means all.</summary>
    public IList<IPNetwork> Allow { get; } = [];

    /// <summary>The networks that may not, also where they are allowed. Default: none.</summary>
    public IList<IPNetwork> Deny { get; } = [];
}
