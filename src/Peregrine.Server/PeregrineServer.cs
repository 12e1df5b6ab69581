using Peregrine.Server.Endpoints;

namespace Peregrine.Server;

/// <summary>The running server, as a service of the host.</summary>
/// <remarks>Safe to read from any thread.</remarks>
public sealed class PeregrineServer
{
    private volatile IReadOnlyList<ServerEndpoint> _endpoints = [];

    internal PeregrineServer()
    {
    }

    /// <summary>The endpoints with the addresses they are bound to. Empty before the server's start and after a start that failed.</summary>
    public IReadOnlyList<ServerEndpoint> Endpoints
    {
        get => _endpoints;
        internal set => _endpoints = value;
    }
}
