using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Accept;
using Peregrine.Server.Connections;

namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that is bound: its listeners, their accept loops and the pipeline of its connections.</summary>
internal sealed class RunningEndpoint(
    string name,
    IReadOnlyList<IConnectionListener> listeners,
    int acceptSlots,
    ConnectionDelegate pipeline,
    ConnectionTracker tracker,
    TimeProvider clock,
    ILogger logger)
{
    private readonly AcceptLoop[] _loops =
    [
        .. listeners.SelectMany(listener => Enumerable.Repeat(listener, acceptSlots))
            .Select(listener => new AcceptLoop(listener, name, connection => tracker.Start(connection, name, pipeline), clock, logger)),
    ];

    private Task _accepting = Task.CompletedTask;

    public string Name => name;

    public IReadOnlyList<IConnectionListener> Listeners => listeners;

    public void StartAccepting()
    {
        _accepting = Task.WhenAll(_loops.Select(loop => Task.Run(loop.RunAsync)));
        foreach (var listener in listeners)
        {
            ServerLog.Listening(logger, EndpointUrl.Of(listener.EndPoint), name);
        }
    }

    /// <summary>Completes when everything that was queued for the endpoint is accepted.</summary>
    public async Task StopAcceptingAsync()
    {
        foreach (var loop in _loops)
        {
            loop.Stop();
        }

        foreach (var listener in listeners)
        {
            await GuardAsync(() => listener.UnbindAsync()).ConfigureAwait(false);
        }

        await _accepting.ConfigureAwait(false);
    }

    public async Task CloseListenersAsync()
    {
        foreach (var listener in listeners)
        {
            await GuardAsync(listener.DisposeAsync).ConfigureAwait(false);
        }
    }

    private async Task GuardAsync(Func<ValueTask> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.ListenerCloseFailed(logger, name, exception);
        }
    }
}
