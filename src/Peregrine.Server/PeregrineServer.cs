using Peregrine.Server.Endpoints;

namespace Peregrine.Server;

/// <summary>The running server, as a service of the host.</summary>
/// <remarks>Safe to read from any thread.</remarks>
public sealed class PeregrineServer
{
    private volatile IReadOnlyList<ServerEndpoint> _endpoints = [];

    private volatile int _state;

    internal PeregrineServer()
    {
    }

    /// <summary>What the server is doing. It is ready for clients while it is <see cref="ServerState.Running"/>.</summary>
    public ServerState State
    {
        get => (ServerState)_state;
        internal set => _state = (int)value;
    }

    /// <summary>The endpoints with the addresses they are bound to. Empty before the server's start and after a start that failed.</summary>
    public IReadOnlyList<ServerEndpoint> Endpoints
    {
        get => _endpoints;
        internal set => _endpoints = value;
    }
}
