namespace Peregrine.Server.Endpoints;

/// <summary>Options of the sockets of an endpoint's connections.</summary>
public sealed class SocketOptions
{
    /// <summary>
    /// Whether small segments are sent at once (TCP_NODELAY, tcp(7)). Default <see langword="true"/>. Has no meaning for Unix domain sockets.
    /// </summary>
    public bool NoDelay { get; set; } = true;
}
