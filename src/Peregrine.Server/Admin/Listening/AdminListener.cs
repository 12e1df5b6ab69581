using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Admin.Protocol;

namespace Peregrine.Server.Admin.Listening;

/// <summary>
/// Serves tools over a Unix domain socket: apart from the endpoints, their limits and their transport, so that it answers also where they are at their
/// limits, and to the end of the stop.
/// </summary>
internal sealed class AdminListener : IAsyncDisposable
{
    /// <summary>More than anybody has windows for. Each has a buffer, and can keep a thread busy.</summary>
    private const int MaxSessions = 8;

    /// <summary>After an error of accepting, such as a shortage of descriptors.</summary>
    private static readonly TimeSpan AcceptPause = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(2);

    private readonly Socket _socket;
    private readonly Func<Socket, bool> _isOwner;
    private readonly AdminRequests _requests;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ReportInterval _refusals;
    private readonly ReportInterval _failures;
    private readonly CancellationTokenSource _ended = new();
    private readonly ConcurrentDictionary<Task, bool> _sessions = [];
    private readonly Task _accepting;

    /// <param name="socket">It listens, and is disposed with this.</param>
    /// <param name="path">Its path.</param>
    /// <param name="isOwner">Whether a peer is served.</param>
    /// <param name="requests">Answers.</param>
    /// <param name="meters">Tells those who watch the process where it is.</param>
    /// <param name="clock">For waits.</param>
    /// <param name="logger">The server's.</param>
    public AdminListener(
        Socket socket, string path, Func<Socket, bool> isOwner, AdminRequests requests, IMeterFactory meters, TimeProvider clock,
        ILogger logger)
    {
        _socket = socket;
        _isOwner = isOwner;
        _requests = requests;
        _clock = clock;
        _logger = logger;
        _refusals = new ReportInterval(clock);
        _failures = new ReportInterval(clock);
        meters.Create(AdminProtocol.Meter).CreateObservableGauge(
            AdminProtocol.SocketInstrument,
            () => new Measurement<int>(1, new KeyValuePair<string, object?>(AdminProtocol.PathTag, path)),
            description: "Where the socket of Peregrine:Admin:Socket is.");
        ServerLog.AdminListening(logger, path);
        _accepting = Task.Run(AcceptAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll(_sessions.Keys.Append(_accepting)).WaitAsync(LongestEnd, _clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A request that hangs in the application's configuration, say, does not hold the stop up.
        }

        _socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_ended.IsCancellationRequested)
        {
            try
            {
                Start(await _socket.AcceptAsync(_ended.Token).ConfigureAwait(false));
            }
            catch (OperationCanceledException) when (_ended.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // Whatever it is, the next one may be accepted.
                if (_failures.IsDue(out _))
                {
                    ServerLog.AdminFailed(_logger, exception);
                }

                await Task.Delay(AcceptPause, _clock, _ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Start(Socket peer)
    {
        var isPlace = _sessions.Count < MaxSessions;
        var session = new Task<Task>(() => ServeAsync(peer, isPlace));
        var whole = session.Unwrap();
        _sessions[whole] = true;
        _ = whole.ContinueWith(static (done, all) => ((ConcurrentDictionary<Task, bool>)all!).TryRemove(done, out _), _sessions, TaskScheduler.Default);
        session.Start(TaskScheduler.Default);
    }

    private async Task ServeAsync(Socket peer, bool isPlace)
    {
        using (peer)
        {
            try
            {
                var session = new AdminSession(peer, _requests, _clock);
                if (!_isOwner(peer))
                {
                    await session.SendAsync(AdminErrors.Forbidden, "Only the server's user and root are served.", _ended.Token).ConfigureAwait(false);
                    if (_refusals.IsDue(out var count))
                    {
                        ServerLog.AdminRefused(_logger, count - 1);
                    }
                }
                else if (!isPlace)
                {
                    await session.SendAsync(AdminErrors.Busy, $"{MaxSessions} tools are connected; close one.", _ended.Token).ConfigureAwait(false);
                }
                else
                {
                    await session.RunAsync(_ended.Token).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
                // The peer is gone, was too slow, or the server has ended.
            }
            catch (Exception exception)
            {
                ServerLog.AdminFailed(_logger, exception);
            }
        }
    }
}
