namespace Peregrine.Server.Health;

/// <summary>How a host without HTTP tells whether it is ready. Read at the start.</summary>
public sealed class HealthOptions
{
    /// <summary>
    /// A port that accepts connections, and closes them at once, only while the server is ready; at other times it refuses them. For load balancers and
    /// Kubernetes (<c>tcpSocket</c>). <c>tcp://host:port</c>, the host being an IP address, <c>*</c> or <c>localhost</c>. Default none. It is no endpoint:
    /// no limit counts its connections, and a stop does not wait for them.
    /// </summary>
    /// <remarks>Who can reach it learns whether the server is ready, and nothing else. A flood of connections costs it time, and no memory.</remarks>
    public string? Url { get; set; }
}
