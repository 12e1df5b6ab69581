using System.Net;
using Peregrine.Features;

namespace Peregrine.Server.Admin;

/// <summary>A connection of the server, as it was at one moment. Immutable; what its transport does not tell is null.</summary>
public sealed class ConnectionSnapshot
{
    /// <summary>Its id, as in the log.</summary>
    public required string Id { get; init; }

    /// <summary>The name of its endpoint.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Its peer: the client behind a proxy that tells of it.</summary>
    public EndPoint? RemoteEndPoint { get; init; }

    /// <summary>The address that the peer has connected to.</summary>
    public EndPoint? LocalEndPoint { get; init; }

    /// <summary>How long it has been there.</summary>
    public TimeSpan Age { get; init; }

    /// <summary>How long ago its peer last sent something, or acknowledged something that was sent to it: to about a second.</summary>
    public TimeSpan? Quiet { get; init; }

    /// <summary>How far it is.</summary>
    public ConnectionStage Stage { get; init; }

    /// <summary>Its handler was asked to end (<c>IConnectionLifetimeNotificationFeature</c>).</summary>
    public bool IsCloseRequested { get; init; }

    /// <summary>Why it ends, if that is known already.</summary>
    public ConnectionCloseReason CloseReason { get; init; }

    /// <summary>Bytes received from the peer.</summary>
    public long? BytesReceived { get; init; }

    /// <summary>Bytes that the transport took for the peer.</summary>
    public long? BytesSent { get; init; }

    /// <summary>Bytes that were received and that the handler has not consumed.</summary>
    public long? UnreadBytes { get; init; }

    /// <summary>Bytes that were written and that the transport has not taken.</summary>
    public long? UnsentBytes { get; init; }

    /// <summary>What the kernel knows of it (TCP_INFO): on Linux, while it has its socket.</summary>
    public TcpConnectionInfo? Tcp { get; init; }

    /// <summary>What its handshake of TLS has brought; null without one.</summary>
    public TlsSnapshot? Tls { get; init; }
}

/// <summary>How far a connection is.</summary>
public enum ConnectionStage
{
    /// <summary>It is in a handshake, such as that of TLS, or waits for its turn.</summary>
    Handshaking = 0,

    /// <summary>Its handler is at work.</summary>
    Handling,

    /// <summary>Its handler is done, and it is closing.</summary>
    Closing,
}

/// <summary>What a handshake of TLS has brought.</summary>
/// <param name="Protocol">The version, such as <c>Tls13</c>; empty if it is not known.</param>
/// <param name="CipherSuite">The cipher suite, by its name in the registry of IANA; empty if it is not known.</param>
/// <param name="HostName">The name by which the client has asked for the server (SNI, RFC 6066); empty if it has sent none.</param>
/// <param name="ApplicationProtocol">The protocol that was agreed on (ALPN, RFC 7301); empty if none was.</param>
public sealed record TlsSnapshot(string Protocol, string CipherSuite, string HostName, string ApplicationProtocol);
