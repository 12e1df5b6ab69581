using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Peregrine.Server.Accept;
using Peregrine.Server.Connections;

namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that is bound: its listeners, their accept loops, and its connections.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim whose wait handle nobody takes holds nothing to dispose.")]
internal sealed class RunningEndpoint(
    IConnectionListenerFactory transport, IReadOnlyList<IConnectionListener> listeners, int acceptSlots, ConnectionTracker connections)
{
    private readonly SemaphoreSlim _changing = new(1);
    private IReadOnlyList<IConnectionListener> _listeners = listeners;
    private AcceptLoop[] _loops = [];
    private Task _accepting = Task.CompletedTask;
    private volatile bool _isSuspended;
    private bool _isStopped;

    public string Name => connections.Contract.Endpoint;

    public ConnectionTracker Connections => connections;

    public bool IsSuspended => _isSuspended;

    public void StartAccepting()
    {
        _loops =
        [
            .. _listeners.SelectMany(listener => Enumerable.Repeat(listener, acceptSlots))
                .Select(listener => new AcceptLoop(listener, Name, connections.Start, connections.Contract.Clock, connections.Contract.Logger)),
        ];
        _accepting = Task.WhenAll(_loops.Select(loop => Task.Run(loop.RunAsync)));
        foreach (var listener in _listeners)
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
        foreach (var listener in _listeners)
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
            StartAccepting();
            _isSuspended = false;
        }
        finally
        {
            _changing.Release();
        }
    }

    private async Task<IReadOnlyList<IConnectionListener>> BindAgainAsync(CancellationToken cancellationToken)
    {
        var bound = new List<IConnectionListener>();
        try
        {
            foreach (var listener in _listeners)
            {
                bound.Add(await transport.BindAsync(listener.EndPoint, cancellationToken).ConfigureAwait(false));
            }

            return bound;
        }
        catch
        {
            foreach (var listener in bound)
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

        foreach (var listener in _listeners)
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
}
