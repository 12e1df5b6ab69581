using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Accept;

/// <summary>
/// Accepts the connections of one listener until the listener says that there are no more. Nothing else ends it: not an exception of the
/// listener, and nothing that happens to a connection, which is started elsewhere.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A CancellationTokenSource without a timer holds nothing to dispose.")]
internal sealed class AcceptLoop
{
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMinutes(1);

    private readonly IConnectionListener _listener;
    private readonly string _endpoint;
    private readonly Action<ConnectionContext> _start;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private long? _reportedAt;

    /// <param name="listener">Whose connections are accepted.</param>
    /// <param name="endpoint">The endpoint's name, for the log.</param>
    /// <param name="start">Takes a connection over; returns at once.</param>
    /// <param name="clock">The clock of the back-off.</param>
    /// <param name="logger">A logger that does not throw.</param>
    public AcceptLoop(IConnectionListener listener, string endpoint, Action<ConnectionContext> start, TimeProvider clock, ILogger logger)
    {
        _listener = listener;
        _endpoint = endpoint;
        _start = start;
        _clock = clock;
        _logger = logger;
    }

    /// <summary>Completes when the listener has no more connections, never with an exception.</summary>
    public async Task RunAsync()
    {
        var delay = TimeSpan.Zero;
        while (true)
        {
            try
            {
                if (await _listener.AcceptAsync().ConfigureAwait(false) is not { } connection)
                {
                    break;
                }

                delay = TimeSpan.Zero;
                _start(connection);
            }
            catch (Exception exception) when (!_stopping.IsCancellationRequested)
            {
                delay = delay == TimeSpan.Zero ? ShortestDelay : delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
                Report(exception);
                await WaitAsync(delay).ConfigureAwait(false);
            }
            catch (Exception)
            {
                break; // The listener fails because it is being closed.
            }
        }

        if (!_stopping.IsCancellationRequested)
        {
            ServerLog.ListenerGone(_logger, _endpoint);
        }
    }

    /// <summary>From now on the listener is expected to end; an error of it ends the loop.</summary>
    public void Stop() => _stopping.Cancel();

    private void Report(Exception exception)
    {
        var now = _clock.GetTimestamp();
        if (_reportedAt is null || _clock.GetElapsedTime(_reportedAt.Value, now) >= ReportInterval)
        {
            _reportedAt = now;
            ServerLog.AcceptFailed(_logger, _endpoint, exception);
        }
    }

    private async Task WaitAsync(TimeSpan delay)
    {
        try
        {
            await Task.Delay(delay, _clock, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The loop goes on: what the listener has queued is still served.
        }
    }
}
