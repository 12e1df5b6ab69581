using Microsoft.Extensions.Logging;
using Peregrine.Server.Connections;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Stop;

/// <summary>
/// The stop of the server: accept what is queued and nothing more, ask every connection to end, wait, reset what is left, close the listeners.
/// </summary>
internal sealed class ServerStop(
    IReadOnlyList<RunningEndpoint> endpoints, ConnectionTracker tracker, TimeSpan timeout, TimeProvider clock, ILogger logger)
{
    /// <summary>How long handlers have to notice that their connections were reset.</summary>
    private static readonly TimeSpan AfterReset = TimeSpan.FromSeconds(2);

    /// <param name="cancellationToken">Shortens the wait: what is open is reset at once.</param>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var startedBefore = tracker.Started - tracker.Live.Count;
        var accepted = Task.WhenAll(endpoints.Select(endpoint => endpoint.StopAcceptingAsync()));
        tracker.RequestClose();
        var reset = 0;
        if (!await TryWaitAsync(AllEndedAsync(accepted), timeout, cancellationToken).ConfigureAwait(false))
        {
            reset = ResetWhatIsLeft(cancellationToken.IsCancellationRequested);
            await TryWaitAsync(AllEndedAsync(accepted), AfterReset, CancellationToken.None).ConfigureAwait(false);
            ReportWhatStays();
        }

        await TryWaitAsync(Task.WhenAll(endpoints.Select(endpoint => endpoint.CloseListenersAsync())), AfterReset, CancellationToken.None)
            .ConfigureAwait(false);
        ServerLog.Stopped(logger, tracker.Started - startedBefore, reset, tracker.Live.Count);
    }

    private async Task AllEndedAsync(Task accepted)
    {
        await accepted.ConfigureAwait(false);
        await Task.WhenAll(tracker.Live.Select(connection => connection.Ended)).ConfigureAwait(false);
    }

    private int ResetWhatIsLeft(bool early)
    {
        var left = tracker.Abort();
        foreach (var group in left.GroupBy(connection => connection.Endpoint))
        {
            ServerLog.DrainDeadline(logger, group.Key, group.Count(), early ? "when the host's time for its stop was over" : $"after Peregrine:ShutdownTimeout ({timeout})");
        }

        return left.Count;
    }

    private void ReportWhatStays()
    {
        foreach (var group in tracker.Live.GroupBy(connection => connection.Endpoint))
        {
            ServerLog.HandlersLeftBehind(logger, group.Key, group.Count());
        }
    }

    private async Task<bool> TryWaitAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(limit, clock, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }
}
