using System.Net.NetworkInformation;

namespace Peregrine.Features;

/// <summary>Tells what the kernel knows of a TCP connection. Offered by connections that stand on a TCP socket, on Linux.</summary>
public interface IConnectionTcpInfoFeature
{
    /// <summary>Asks the kernel (TCP_INFO, tcp(7)): two system calls. Safe to call from any thread.</summary>
    /// <param name="info">What it says now.</param>
    /// <returns>False when the socket is released.</returns>
    bool TryGetTcpInfo(out TcpConnectionInfo info);
}

/// <summary>What the kernel knows of a TCP connection, at one moment. What an old kernel does not tell is zero.</summary>
/// <param name="State">Its state (RFC 9293 §3.3.2).</param>
/// <param name="RoundTripTime">The smoothed round-trip time (RFC 6298); zero until it was measured.</param>
/// <param name="RoundTripTimeVariance">Its mean deviation.</param>
/// <param name="Retransmits">Segments that were sent again, since the connection began.</param>
/// <param name="UnacknowledgedBytes">Bytes that were sent and are not acknowledged; a FIN counts as one.</param>
/// <param name="UnsentBytes">Bytes that the kernel has taken and not sent yet; a FIN counts as one.</param>
/// <param name="DeliveryRateInBytesPerSecond">At which rate the peer has lately acknowledged; zero until it was measured.</param>
/// <param name="CongestionWindowInSegments">How many segments may be on their way.</param>
public readonly record struct TcpConnectionInfo(
    TcpState State, TimeSpan RoundTripTime, TimeSpan RoundTripTimeVariance, long Retransmits, long UnacknowledgedBytes, long UnsentBytes,
    long DeliveryRateInBytesPerSecond, long CongestionWindowInSegments);
