using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Datagrams;

/// <summary>A datagram endpoint that is bound: its sockets, and the pipeline that they all call.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim whose wait handle nobody takes holds nothing to dispose.")]
internal sealed class DatagramEndpoint : IRunningEndpoint
{
    private readonly SemaphoreSlim _changing = new(1);
    private readonly DatagramPipeline _pipeline;
    private readonly DatagramAddressRules _rules;
    private readonly IDatagramTransport _transport;
    private readonly IReadOnlyList<EndPoint> _addresses;
    private readonly IDisposable? _subscription;
    private readonly DatagramHeartbeat _heartbeat;
    private readonly ReportInterval _failures;
    private readonly ILogger _logger;
    private readonly Action _onReceivingChanged;
    private volatile IReadOnlyList<IDatagramSocket> _sockets;
    private volatile bool _isSuspended;
    private volatile bool _isClosed;
    private volatile bool _isReceiving;
    private bool _isStarted;
    private volatile bool _isStopped;

    /// <param name="pipeline">Built.</param>
    /// <param name="transport">Binds again after a suspension.</param>
    /// <param name="sockets">Bound, and not started.</param>
    /// <param name="settings">Where its options are set, for messages.</param>
    /// <param name="options">Its address rules are followed while it lives.</param>
    /// <param name="clock">The server's.</param>
    /// <param name="logger">The server's.</param>
    /// <param name="onReceivingChanged">Called when it begins to receive, and before it ceases to.</param>
    public DatagramEndpoint(
        DatagramPipeline pipeline, IDatagramTransport transport, IReadOnlyList<IDatagramSocket> sockets, string settings,
        IOptionsMonitor<DatagramEndpointOptions> options, TimeProvider clock, ILogger logger, Action onReceivingChanged)
    {
        _onReceivingChanged = onReceivingChanged;
        _pipeline = pipeline;
        _transport = transport;
        _sockets = sockets;
        _addresses = [.. sockets.Select(socket => socket.LocalEndPoint)];
        _logger = logger;
        _failures = new ReportInterval(clock);
        _rules = new DatagramAddressRules(pipeline.Counters, pipeline.Build());
        _rules.Apply(options.Get(Name).Addresses);
        _subscription = options.OnChange((changed, name) =>
        {
            if (Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                _rules.Apply(changed.Addresses);
            }
        });
        var drops = new DatagramDropReports(Name, settings, pipeline.Counters, clock, logger);
        _heartbeat = new DatagramHeartbeat(Name, [CountKernelDrops, drops.Look, .. pipeline.Beats], clock, logger);
    }

    public string Name => _pipeline.EndpointName;

    public DatagramCounters Counters => _pipeline.Counters;

    public IReadOnlyList<EndPoint> Addresses => _addresses;

    public bool IsSuspended => _isSuspended;

    public string? NotReady =>
        IsSuspended ? $"The endpoint \"{Name}\" is suspended."
        : !_isReceiving ? $"The endpoint \"{Name}\" does not receive."
        : null;

    string? IRunningEndpoint.Gone => null;

    int IRunningEndpoint.ConnectionCount => 0;

    DatagramCounters IRunningEndpoint.Datagrams => Counters;

    /// <summary>What its stop waits for; null when it is over or has not begun.</summary>
    public string? Stopping { get; private set; }

    /// <summary>Once a second.</summary>
    public void Beat() => _heartbeat.Beat();

    public void CountKernelDrops()
    {
        foreach (var socket in _sockets)
        {
            socket.CountKernelDrops();
        }
    }

    /// <summary>Unless it was suspended before, and then when it is resumed; or stopped.</summary>
    public async Task StartReceivingAsync()
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            _isStarted = true;
            if (!_isStopped && !_isSuspended)
            {
                Start();
            }
        }
        finally
        {
            _changing.Release();
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

            await StopSocketsAsync(cancellationToken).ConfigureAwait(false);
            await FlushSocketsAsync(cancellationToken).ConfigureAwait(false);
            await CloseSocketsAsync().ConfigureAwait(false);
            _isSuspended = true;
            ServerLog.DatagramsSuspended(_logger, Name);
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

            _sockets = await BindAgainAsync(cancellationToken).ConfigureAwait(false);
            if (_isStopped)
            {
                // The stop has not waited for this: its deadline was over.
                await CloseSocketsAsync().ConfigureAwait(false);
                return;
            }

            _isSuspended = false;
            if (_isStarted)
            {
                Start();
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    Task IRunningEndpoint.WaitForConnectionsAsync(int atMost, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// For good: receives no more, waits for the handlers of what was received, then for middleware to say goodbye, then until that is sent. Until the deadline; it can last longer if a
    /// handler or a callback does not heed it.
    /// </summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        Stopping = "a suspension";
        var isMine = await TryEnterAsync(deadline).ConfigureAwait(false);
        _isStopped = true;
        Stopping = "handlers";
        await StopSocketsAsync(deadline).ConfigureAwait(false);
        Stopping = "callbacks of OnStopping";
        await Task.WhenAll(_pipeline.Drains.Select(drain => DrainAsync(drain, deadline))).ConfigureAwait(false);
        Stopping = "the network";
        await FlushSocketsAsync(deadline).ConfigureAwait(false);
        Stopping = null;
        if (isMine)
        {
            _changing.Release();
        }
    }

    /// <summary>Gives the addresses up. After it, nothing is sent.</summary>
    public async Task CloseAsync()
    {
        _isClosed = true;
        _subscription?.Dispose();
        _heartbeat.Stop();
        await CloseSocketsAsync().ConfigureAwait(false);
    }

    private void Start()
    {
        foreach (var socket in _sockets)
        {
            socket.Start(HandleAsync, Counters);
            ServerLog.Listening(_logger, EndpointUrl.OfDatagrams(socket.LocalEndPoint), Name);
        }

        SetReceiving(true);
    }

    private void SetReceiving(bool isReceiving)
    {
        _isReceiving = isReceiving;
        _onReceivingChanged();
    }

    /// <summary>What fails is counted and logged here, where the endpoint's name is known, and stops nothing.</summary>
    private ValueTask HandleAsync(DatagramBatch batch, DatagramSender sender)
    {
        try
        {
            var handling = _rules.HandleAsync(batch, sender);
            if (!handling.IsCompletedSuccessfully)
            {
                return GuardAsync(handling, batch);
            }

            handling.GetAwaiter().GetResult();
        }
        catch (Exception exception)
        {
            OnHandlerFailed(batch, exception);
        }

        return default;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask GuardAsync(ValueTask handling, DatagramBatch batch)
    {
        try
        {
            await handling.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(batch, exception);
        }
    }

    private void OnHandlerFailed(DatagramBatch batch, Exception exception)
    {
        if (_isClosed && exception is ObjectDisposedException or OperationCanceledException)
        {
            Counters.AddDropped(DatagramDropReason.Stopping, batch.Count); // It was left behind at the deadline, and its socket closed under it.
            return;
        }

        // Without those that middleware has taken out, and counted.
        Counters.AddDropped(DatagramDropReason.HandlerFailed, batch.Count);

        // A peer may know how to make it fail, and must not fill the log.
        if (_failures.IsDue(out var count))
        {
            ServerLog.DatagramHandlerFailed(_logger, Name, count, exception);
        }
    }

    private async Task<bool> TryEnterAsync(CancellationToken deadline)
    {
        try
        {
            await _changing.WaitAsync(deadline).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false; // A suspension waits for handlers that do not end: the stop does not wait for it as well.
        }
    }

    private async Task<IReadOnlyList<IDatagramSocket>> BindAgainAsync(CancellationToken cancellationToken)
    {
        var bound = new List<IDatagramSocket>();
        try
        {
            foreach (var address in _addresses)
            {
                bound.Add(await _transport.BindAsync(address, cancellationToken).ConfigureAwait(false));
            }

            return bound;
        }
        catch
        {
            foreach (var socket in bound)
            {
                await GuardAsync(socket.DisposeAsync).ConfigureAwait(false);
            }

            throw;
        }
    }

    private Task StopSocketsAsync(CancellationToken deadline)
    {
        SetReceiving(false); // Before the wait: nobody should be sent here any more.
        return Task.WhenAll(_sockets.Select(socket => GuardAsync(() => socket.StopReceivingAsync(deadline))));
    }

    private Task FlushSocketsAsync(CancellationToken deadline) =>
        Task.WhenAll(_sockets.Select(socket => GuardAsync(() => socket.Sender.FlushAsync(deadline))));

    private async Task CloseSocketsAsync()
    {
        var closed = _sockets;
        await GuardAsync(() =>
        {
            CountKernelDrops();
            return default;
        }).ConfigureAwait(false);
        _sockets = [];
        foreach (var socket in closed)
        {
            await GuardAsync(socket.DisposeAsync).ConfigureAwait(false);
        }
    }

    private async Task DrainAsync(Func<CancellationToken, Task> drain, CancellationToken deadline)
    {
        try
        {
            await drain(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // It has heeded the deadline.
        }
        catch (Exception exception)
        {
            ServerLog.DatagramDrainFailed(_logger, Name, exception);
        }
    }

    private async Task GuardAsync(Func<ValueTask> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The deadline.
        }
        catch (Exception exception)
        {
            ServerLog.DatagramSocketFailed(_logger, Name, exception);
        }
    }
}
