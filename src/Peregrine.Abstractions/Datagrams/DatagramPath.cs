namespace Peregrine;

/// <summary>Between which addresses a datagram goes. That of a datagram that was received is the way back to its sender, too.</summary>
/// <param name="RemoteAddress">The peer's. Unspecified for a connected socket: then it is the peer that it is connected to.</param>
/// <param name="LocalAddress">
/// The address of this side that the peer sent to (IP_PKTINFO, ip(7); IPV6_PKTINFO, ipv6(7)), with the port of the socket. To send, the source address; its port has
/// no effect. Unspecified leaves it to the routes.
/// </param>
/// <param name="InterfaceIndex">
/// The network interface by which it came, as in if_nametoindex(3). To send, the one by which it goes, where the source address does not say it: it is unspecified, link-local or a
/// group. With another source address the routes decide, since the way back may be by another interface. Zero is any.
/// </param>
public readonly record struct DatagramPath(DatagramAddress RemoteAddress, DatagramAddress LocalAddress = default, int InterfaceIndex = 0);
