using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Accept;
using Peregrine.Server.Connections;

namespace Peregrine.Server.Endpoints;

/// <summary>A listener, and the address that it was asked for.</summary>
internal readonly record struct BoundListener(EndPoint Asked, IConnectionListener Listener)
{
    /// <summary>The same once more: a port that was free is a number by now, and an inherited socket stays one.</summary>
    public EndPoint Address => Asked is FileHandleEndPoint ? Asked : Listener.EndPoint;
}

/// <summary>An endpoint that is bound: its listeners, their accept loops, and its connections.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim whose wait handle nobody takes holds nothing to dispose.")]
internal sealed class RunningEndpoint(
    IConnectionListenerFactory transport, IReadOnlyList<BoundListener> listeners, int acceptSlots, ConnectionTracker connections, Action<string> onListenerGone,
    Action onAcceptingChanged)
    : IRunningEndpoint
{
    private readonly SemaphoreSlim _changing = new(1);
    private IReadOnlyList<BoundListener> _listeners = listeners;
    private volatile AcceptLoop[] _loops = [];
    private volatile QueueDrops _drops = new(listeners, Before: 0);
    private Task _accepting = Task.CompletedTask;
    private volatile bool _isSuspended;
    private bool _isStarted;
    private bool _isStopped;

    public string Name => connections.Contract.Endpoint;

    public ConnectionTracker Connections => connections;

    /// <summary>What carries its bytes, as semantic conventions name it (<c>network.transport</c>). One of several kinds, of systemd, is of its first socket's.</summary>
    public static string TransportOf(IReadOnlyList<BoundListener> listeners) => listeners[0].Listener.EndPoint is UnixDomainSocketEndPoint ? "unix" : "tcp";

    /// <summary>How many attempts to connect the system has dropped; null where it does not tell.</summary>
    public long? DroppedConnections => _drops.Count;

    public bool IsSuspended => _isSuspended;

    public string? NotReady =>
        IsSuspended ? $"The endpoint \"{Name}\" is suspended."
        : !IsAccepting ? $"The endpoint \"{Name}\" does not accept."
        : AcceptError is { } error ? $"Accepting fails for the endpoint \"{Name}\" ({error})."
        : null;

    public string? Gone =>
        Loops.Any(static loop => loop is { Step: AcceptStep.Ended, IsStopping: false }) ? $"The listener of the endpoint \"{Name}\" is gone." : null;

    int IRunningEndpoint.ConnectionCount => connections.Count;

    DatagramCounters? IRunningEndpoint.Datagrams => null;

    /// <summary>Those that accept, for the watchdog.</summary>
    public IReadOnlyList<AcceptLoop> Loops => _loops;

    // It was started, is neither suspended nor stopped, and none of its sockets is gone.
    private bool IsAccepting => _loops is { Length: > 0 } loops && Array.TrueForAll(loops, static loop => !loop.IsStopping && loop.Step != AcceptStep.Ended);

    // Which accepting waits out.
    private SocketError? AcceptError =>
        _listeners.Select(bound => (bound.Listener as IConnectionListenerStatus)?.AcceptError).FirstOrDefault(error => error is not null);

    /// <summary>Unless it was suspended before, and then when it is resumed; or stopped.</summary>
    public async Task StartAcceptingAsync()
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            _isStarted = true;
            if (!_isStopped && !_isSuspended)
            {
                StartLoops();
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    private void StartLoops()
    {
        var contract = connections.Contract;
        foreach (var status in _listeners.Select(bound => bound.Listener).OfType<IConnectionListenerStatus>())
        {
            status.AcceptFailed = error => contract.Metrics.AcceptFailed(Name, error.ToString());
        }

        _loops =
        [
            .. _listeners.SelectMany(bound => Enumerable.Repeat(bound.Listener, acceptSlots))
                .Select(listener => new AcceptLoop(listener, contract.Admission, connections.Start, contract.Metrics, contract.Clock, contract.Logger)),
        ];
        using (ExecutionContext.SuppressFlow())
        {
            // Who resumes an endpoint may have a span and a log scope, which are not those of what is accepted later.
            _accepting = Task.WhenAll([.. _loops.Select(loop => Task.Run(() => AcceptAsync(loop)))]);
        }

        foreach (var (_, listener) in _listeners)
        {
            ServerLog.Listening(connections.Contract.Logger, EndpointUrl.Of(listener.EndPoint), Name);
        }
    }

    /// <summary>For good. Completes when everything that was queued for the endpoint is accepted.</summary>
    public async Task StopAcceptingAsync()
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            _isStopped = true;
            await AcceptWhatIsQueuedAsync().ConfigureAwait(false);
        }
        finally
        {
            _changing.Release();
        }
    }

    public async Task CloseListenersAsync()
    {
        foreach (var (_, listener) in _listeners)
        {
            await GuardAsync(listener.DisposeAsync).ConfigureAwait(false);
        }
    }

    public async Task SuspendAsync(CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isStopped || _isSuspended)
            {
                return;
            }

            await AcceptWhatIsQueuedAsync().ConfigureAwait(false);
            await CloseListenersAsync().ConfigureAwait(false);
            _isSuspended = true;
            ServerLog.Suspended(connections.Contract.Logger, Name, connections.Count);
        }
        finally
        {
            _changing.Release();
        }
    }

    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isStopped || !_isSuspended)
            {
                return;
            }

            _listeners = await BindAgainAsync(cancellationToken).ConfigureAwait(false);
            _drops = new QueueDrops(_listeners, Before: _drops.Count ?? 0);
            _isSuspended = false;
            if (_isStarted)
            {
                StartLoops();
                onAcceptingChanged();
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    Task IRunningEndpoint.WaitForConnectionsAsync(int atMost, CancellationToken cancellationToken) => connections.WaitAsync(atMost, cancellationToken);

    private async Task AcceptAsync(AcceptLoop loop)
    {
        if (!await loop.RunAsync().ConfigureAwait(false))
        {
            ServerLog.ListenerGone(connections.Contract.Logger, Name, EndpointUrl.Of(loop.Listener.EndPoint));
            onAcceptingChanged();
            onListenerGone(Name);
        }
    }

    private async Task<IReadOnlyList<BoundListener>> BindAgainAsync(CancellationToken cancellationToken)
    {
        var bound = new List<BoundListener>();
        try
        {
            foreach (var address in _listeners.Select(before => before.Address))
            {
                bound.Add(new(address, await transport.BindAsync(address, cancellationToken).ConfigureAwait(false)));
            }

            return bound;
        }
        catch
        {
            foreach (var (_, listener) in bound)
            {
                await GuardAsync(listener.DisposeAsync).ConfigureAwait(false);
            }

            throw;
        }
    }

    private async Task AcceptWhatIsQueuedAsync()
    {
        foreach (var loop in _loops)
        {
            loop.Stop();
        }

        onAcceptingChanged(); // Before the wait: nobody should be sent here any more.

        foreach (var (_, listener) in _listeners)
        {
            await GuardAsync(() => listener.UnbindAsync()).ConfigureAwait(false);
        }

        await _accepting.ConfigureAwait(false);
    }

    private async Task GuardAsync(Func<ValueTask> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.ListenerCloseFailed(connections.Contract.Logger, Name, exception);
        }
    }

    /// <param name="Listeners">Those that listen now.</param>
    /// <param name="Before">What those before them have dropped.</param>
    private sealed record QueueDrops(IReadOnlyList<BoundListener> Listeners, long Before)
    {
        public long? Count
        {
            get
            {
                long? count = null;
                foreach (var (_, listener) in Listeners)
                {
                    if ((listener as IConnectionListenerStatus)?.DroppedConnections is { } dropped)
                    {
                        count = (count ?? Before) + dropped;
                    }
                }

                return count;
            }
        }
    }
}
