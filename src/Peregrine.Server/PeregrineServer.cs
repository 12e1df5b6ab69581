using System.Net.NetworkInformation;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server;

/// <summary>The running server, as a service of the host.</summary>
/// <remarks>Safe to read from any thread.</remarks>
public sealed class PeregrineServer
{
    private volatile IReadOnlyList<ServerEndpoint> _endpoints = [];

    private volatile int _state;
    private Func<IReadOnlyDictionary<TcpState, int>?> _countSockets = static () => null;

    internal PeregrineServer()
    {
    }

    /// <summary>
    /// Counts the TCP sockets of the server's ports by their state, as the kernel sees them: those of connections that are gone too, such as
    /// TIME_WAIT after a stop. It asks the system each time; meant for measurements at intervals.
    /// </summary>
    /// <returns>A count for each of the eleven states; null where the system, or a transport of the application, does not tell.</returns>
    public IReadOnlyDictionary<TcpState, int>? CountSockets() => _countSockets();

    /// <summary>Who may connect; null before the start.</summary>
    internal Admission.ServerAdmission? Admission { get; set; }

    internal void SetSocketCounter(Func<IReadOnlyDictionary<TcpState, int>?> count) => _countSockets = count;

    /// <summary>Called when <see cref="State"/> has changed; must not throw.</summary>
    internal Action? StateChanged { get; set; }

    /// <summary>What the server is doing. It is ready for clients while it is <see cref="ServerState.Running"/>.</summary>
    public ServerState State
    {
        get => (ServerState)_state;
        internal set
        {
            _state = (int)value;
            StateChanged?.Invoke();
        }
    }

    /// <summary>The endpoints with the addresses they are bound to. Empty before the server's start and after a start that failed.</summary>
    public IReadOnlyList<ServerEndpoint> Endpoints
    {
        get => _endpoints;
        internal set => _endpoints = value;
    }
}
