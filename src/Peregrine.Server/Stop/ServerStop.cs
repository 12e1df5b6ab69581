using System.Globalization;
using System.Net.NetworkInformation;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Admission;
using Peregrine.Server.Connections;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Stop;

/// <summary>
/// The stop of the server, in stages: readiness off, accept what is queued and nothing more, ask every connection to end, wait, reset what is
/// left, close the listeners. Datagram endpoints receive what is queued and nothing more, and say goodbye to their peers, while connections end; at the
/// deadline they drop what is left, and their sockets are closed with the listeners.
/// </summary>
internal sealed class ServerStop(
    IReadOnlyList<RunningEndpoint> endpoints, IReadOnlyList<DatagramEndpoint> datagrams, Places places, PeregrineOptions options, PeregrineServer server, TimeProvider clock,
    ILogger logger)
{
    /// <summary>How long handlers have to notice that their connections were reset.</summary>
    private static readonly TimeSpan AfterReset = TimeSpan.FromSeconds(2);

    /// <summary>How long the kernel has for what it sends after the connections are gone; a peer that is gone never acknowledges.</summary>
    private static readonly TimeSpan LastAcknowledgements = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LastAcknowledgementsStep = TimeSpan.FromMilliseconds(10);

    /// <summary>In which this side has something to send.</summary>
    private static readonly TcpState[] s_sending = [TcpState.FinWait1, TcpState.Closing, TcpState.LastAck];

    /// <summary>
    /// How long before the deadline connections are closed that wait for their peers to close first: a graceful close needs a moment, and loses
    /// nothing at the deadline when the peer has acknowledged it.
    /// </summary>
    private static readonly TimeSpan BeforeDeadline = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(5);

    /// <summary>How often connections are asked to end while the requests are spread.</summary>
    private static readonly TimeSpan SpreadStep = TimeSpan.FromMilliseconds(100);

    private readonly long _started = clock.GetTimestamp();
    private volatile string _stage = "";

    /// <summary>What is waited for, by endpoint and stage.</summary>
    public IEnumerable<RemainingConnections> Remaining =>
        endpoints.SelectMany(endpoint => endpoint.Connections.Live.GroupBy(
            connection => connection.IsClosing, (isClosing, those) => new RemainingConnections(endpoint.Name, isClosing, those.Count())));

    /// <param name="hostsDeadline">Shortens the wait: what is open is reset at once.</param>
    public async Task RunAsync(CancellationToken hostsDeadline)
    {
        using var signal = new SecondSignal();
        using var timeout = new CancellationTokenSource(options.ShutdownTimeout, clock);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, hostsDeadline, signal.Received);
        using var grace = clock.CreateTimer(
            _ => EndGrace(), null, options.ShutdownTimeout - Shorter(BeforeDeadline, options.ShutdownTimeout / 4), Timeout.InfiniteTimeSpan);
        using var progress = clock.CreateTimer(_ => ReportProgress(), null, ProgressInterval, ProgressInterval);
        var startedBefore = endpoints.Sum(endpoint => endpoint.Connections.Started - endpoint.Connections.Count);

        _stage = "the drain delay";
        server.State = ServerState.Draining;
        await DelayAsync(options.DrainDelay, over.Token).ConfigureAwait(false);

        _stage = "accepting what is queued";
        var accepted = Task.WhenAll(endpoints.Select(endpoint => endpoint.StopAcceptingAsync()));
        var drained = Task.WhenAll(datagrams.Select(endpoint => endpoint.StopAsync(over.Token)));

        // Not before the listeners know: it says that nobody is accepted any more.
        server.State = ServerState.Stopping;

        // At a limit, what is queued is accepted as connections end, which they must be asked to.
        await UntilAsync(Task.WhenAny(accepted, places.WhenBlockedAsync()), over.Token).ConfigureAwait(false);

        _stage = "asking connections to end";
        await RequestCloseAsync(over.Token).ConfigureAwait(false);

        _stage = "waiting for connections";
        var reset = 0;
        if (!await UntilAsync(Task.WhenAll(drained, AllEndedAsync(accepted, over.Token)), over.Token).ConfigureAwait(false))
        {
            _stage = "resetting what is left";
            var when = signal.Received.IsCancellationRequested ? "when a second signal came"
                : hostsDeadline.IsCancellationRequested ? "when the host's time for its stop was over"
                : $"after Peregrine:ShutdownTimeout ({options.ShutdownTimeout})";
            reset = ResetWhatIsLeft(when);
            var late = datagrams.Select(endpoint => (Endpoint: endpoint, Step: endpoint.Stopping)).Where(late => late.Step is not null).ToList();
            using var last = new CancellationTokenSource(AfterReset, clock);
            await UntilAsync(Task.WhenAll(drained, AllEndedAsync(accepted, last.Token)), last.Token).ConfigureAwait(false);
            ReportWhatStays();
            foreach (var (endpoint, step) in late)
            {
                ServerLog.DatagramDeadline(logger, endpoint.Name, when, step!, endpoint.Counters.GetDropped(DatagramDropReason.Stopping));
            }
        }

        using var closing = new CancellationTokenSource(AfterReset, clock);
        await UntilAsync(
            Task.WhenAll([.. endpoints.Select(endpoint => endpoint.CloseListenersAsync()), .. datagrams.Select(endpoint => endpoint.CloseAsync())]),
            closing.Token).ConfigureAwait(false);
        server.State = ServerState.Stopped;
        var sockets = await WaitForLastAcknowledgementsAsync(over.Token).ConfigureAwait(false);
        if (datagrams.Count > 0)
        {
            ServerLog.DatagramsStopped(
                logger,
                datagrams.Sum(endpoint => endpoint.Counters.Received),
                datagrams.Sum(endpoint => endpoint.Counters.Sent),
                datagrams.Sum(endpoint => endpoint.Counters.GetDropped(DatagramDropReason.Stopping)));
        }

        if (endpoints.Count == 0)
        {
            return;
        }

        ServerLog.Stopped(
            logger,
            endpoints.Sum(endpoint => endpoint.Connections.Started) - startedBefore,
            reset,
            endpoints.Sum(endpoint => endpoint.Connections.Count),
            sockets?[TcpState.TimeWait].ToString(CultureInfo.InvariantCulture) ?? "an unknown number of");
    }

    /// <summary>
    /// The kernel sends the last FINs by itself, unless the process's network goes away with it: the moment that takes is waited for.
    /// </summary>
    /// <returns>What is left then; null if the system does not tell.</returns>
    private async Task<IReadOnlyDictionary<TcpState, int>?> WaitForLastAcknowledgementsAsync(CancellationToken over)
    {
        using var last = new CancellationTokenSource(LastAcknowledgements, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(last.Token, over);
        while (true)
        {
            var sockets = server.CountSockets();
            if (sockets is null || either.IsCancellationRequested || s_sending.Sum(state => sockets[state]) == 0)
            {
                return sockets;
            }

            await DelayAsync(LastAcknowledgementsStep, either.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Asks a part of the connections at each step, and all that are left at the last: those too that are started later.</summary>
    private async Task RequestCloseAsync(CancellationToken over)
    {
        for (var steps = (int)Math.Ceiling(options.CloseSpread / SpreadStep); steps > 0 && !over.IsCancellationRequested; steps--)
        {
            var left = endpoints.SelectMany(endpoint => endpoint.Connections.Live).Where(connection => !connection.IsCloseRequested).ToList();
            foreach (var connection in left.Take((int)Math.Ceiling(left.Count / (double)steps)))
            {
                connection.RequestClose();
            }

            await DelayAsync(SpreadStep, over).ConfigureAwait(false);
        }

        foreach (var endpoint in endpoints)
        {
            endpoint.Connections.RequestClose();
        }
    }

    private async Task AllEndedAsync(Task accepted, CancellationToken cancellationToken)
    {
        await accepted.ConfigureAwait(false);
        await Task.WhenAll(endpoints.Select(endpoint => endpoint.Connections.WaitAsync(0, cancellationToken))).ConfigureAwait(false);
    }

    private int ResetWhatIsLeft(string when)
    {
        var reset = 0;
        foreach (var endpoint in endpoints)
        {
            var left = endpoint.Connections.Abort();
            var handling = left.Count(connection => !connection.IsClosing);
            if (left.Count > 0)
            {
                ServerLog.DrainDeadline(logger, endpoint.Name, left.Count, when, handling);
            }

            reset += left.Count;
        }

        return reset;
    }

    private void EndGrace()
    {
        foreach (var endpoint in endpoints)
        {
            endpoint.Connections.EndGrace();
        }
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private void ReportWhatStays()
    {
        foreach (var endpoint in endpoints.Where(endpoint => endpoint.Connections.Count > 0))
        {
            ServerLog.HandlersLeftBehind(logger, endpoint.Name, endpoint.Connections.Count);
        }
    }

    private void ReportProgress()
    {
        var remaining = Remaining.ToList();
        ServerLog.StopProgress(
            logger,
            _stage,
            remaining.Where(left => !left.IsClosing).Sum(left => left.Count),
            remaining.Where(left => left.IsClosing).Sum(left => left.Count),
            clock.GetElapsedTime(_started),
            options.ShutdownTimeout);
    }

    private async Task DelayAsync(TimeSpan delay, CancellationToken over)
    {
        if (delay > TimeSpan.Zero)
        {
            await UntilAsync(Task.Delay(delay, clock, over), over).ConfigureAwait(false);
        }
    }

    /// <summary>False if the time for it was over first.</summary>
    private static async Task<bool> UntilAsync(Task task, CancellationToken over)
    {
        try
        {
            await task.WaitAsync(over).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
