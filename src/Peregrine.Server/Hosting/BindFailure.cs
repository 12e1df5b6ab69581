using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Hosting;

/// <summary>Says what a failed bind means and what helps.</summary>
internal static class BindFailure
{
    // Ports below net.ipv4.ip_unprivileged_port_start (ip(7)) need a capability.
    private const int FirstUnprivilegedPort = 1024;

    public static string Explain(Exception exception, EndPoint address) => (exception, address) switch
    {
        (AddressInUseException { InnerException: SocketException }, UnixDomainSocketEndPoint) =>
            $"the address {address} is in use; stop the process that uses it, or choose another address.",
        (AddressInUseException, UnixDomainSocketEndPoint) => exception.Message,
        (AddressInUseException or SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }, _) => $"the address {address} is in use; stop the process that uses it, or choose another port.",
        (SocketException { SocketErrorCode: SocketError.AccessDenied }, IPEndPoint { Port: < FirstUnprivilegedPort } ip) =>
            $"port {ip.Port} is privileged; choose a port from {FirstUnprivilegedPort}, or give the process the capability CAP_NET_BIND_SERVICE.",
        (SocketException { SocketErrorCode: SocketError.AccessDenied } or UnauthorizedAccessException, _) =>
            $"the permission to listen on {address} is missing; choose an address that the process may use.",
        (SocketException { SocketErrorCode: SocketError.AddressNotAvailable }, UnixDomainSocketEndPoint) =>
            $"the folder of {address} does not exist; make it, or choose another path.",
        (SocketException { SocketErrorCode: SocketError.AddressNotAvailable }, _) =>
            $"{address} is not an address of this machine; use * or an address that it has.",
        (SocketException { SocketErrorCode: SocketError.AddressFamilyNotSupported }, _) =>
            $"this machine has no {address.AddressFamily}; use an address of another family.",
        (SocketException socket, _) => $"cannot listen on {address}: {socket.SocketErrorCode}.",
        _ => exception.Message.ReplaceLineEndings(" "),
    };
}
