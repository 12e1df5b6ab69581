using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Health;

/// <summary>Opens the ports of <see cref="HealthOptions.Url"/> while the server is ready, and closes them while it is not.</summary>
internal sealed class HealthProbe : IAsyncDisposable
{
    /// <summary>How often it looks of its own accord: a shortage of descriptors tells nobody.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly string _url;
    private readonly ProbePort[] _ports;
    private readonly ServerHealth _health;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ReportInterval _failures;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _mayHaveChanged = new(1);
    private ITimer? _timer;
    private Task _running = Task.CompletedTask;

    private HealthProbe(string url, ProbePort[] ports, ServerHealth health, TimeProvider clock, ILogger logger)
    {
        _url = url;
        _ports = ports;
        _health = health;
        _clock = clock;
        _logger = logger;
        _failures = new ReportInterval(clock);
    }

    /// <summary>Takes the ports, which refuse connections for now.</summary>
    /// <param name="url">As it was set.</param>
    /// <param name="addresses">Those that it means. One of several may be of a family that the machine does not have.</param>
    /// <param name="health">The server's.</param>
    /// <param name="clock">The server's.</param>
    /// <param name="logger">The server's.</param>
    /// <exception cref="SocketException">A port cannot be had.</exception>
    public static async Task<HealthProbe> BindAsync(string url, IReadOnlyList<IPEndPoint> addresses, ServerHealth health, TimeProvider clock, ILogger logger)
    {
        var ports = new List<ProbePort>();
        try
        {
            foreach (var address in addresses)
            {
                var port = new ProbePort(address, clock);
                try
                {
                    port.Bind();
                    ports.Add(port);
                }
                catch (SocketException exception) when (
                    exception.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported
                    && (ports.Count > 0 || address != addresses[^1]))
                {
                    // The other family is enough.
                }
            }
        }
        catch
        {
            foreach (var port in ports)
            {
                await port.DisposeAsync().ConfigureAwait(false);
            }

            throw;
        }

        return new HealthProbe(url, [.. ports], health, clock, logger);
    }

    /// <summary>Where it is asked.</summary>
    public IReadOnlyList<IPEndPoint> Addresses => [.. _ports.Select(port => port.Address)];

    /// <summary>Follows the server from now on.</summary>
    public void Start()
    {
        _health.Changed += Look;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = _clock.CreateTimer(static probe => ((HealthProbe)probe!).Look(), this, Interval, Interval);
            _running = Task.Run(RunAsync);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _health.Changed -= Look;
        _timer?.Dispose();
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        foreach (var port in _ports)
        {
            await port.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Look()
    {
        lock (_mayHaveChanged)
        {
            if (_mayHaveChanged.CurrentCount == 0)
            {
                _mayHaveChanged.Release();
            }
        }
    }

    private async Task RunAsync()
    {
        var wasReady = false;
        while (true)
        {
            try
            {
                await _mayHaveChanged.WaitAsync(_stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            var problem = FindProblem();
            Exception? failure = null;
            foreach (var port in _ports)
            {
                try
                {
                    if (problem is null)
                    {
                        port.Open();
                    }
                    else
                    {
                        await port.CloseAsync().ConfigureAwait(false);
                    }
                }
                catch (Exception exception)
                {
                    failure = exception; // Of this port: the others tell the truth at once.
                }
            }

            if (failure is not null)
            {
                if (_failures.IsDue(out _))
                {
                    ServerLog.ProbeFailed(_logger, _url, failure.Message);
                }

                continue; // Another look comes in a second.
            }

            if (problem is null && !wasReady)
            {
                ServerLog.ProbeOpened(_logger, string.Join(", ", Addresses));
            }
            else if (problem is not null && wasReady)
            {
                ServerLog.ProbeClosed(_logger, string.Join(", ", Addresses), problem);
            }

            wasReady = problem is null;
        }
    }

    private string? FindProblem()
    {
        try
        {
            return _health.NotReady;
        }
        catch (Exception exception)
        {
            // Of a listener of the application's transport. Nothing that it throws may leave the port as it is for good.
            return $"Whether it is cannot be told ({exception.Message.ReplaceLineEndings(" ")}).";
        }
    }
}
