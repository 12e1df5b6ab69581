using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Accept;
using Peregrine.Server.Admin;
using Peregrine.Server.Admin.Listening;
using Peregrine.Server.Admission;
using Peregrine.Server.Connections;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Health;
using Peregrine.Server.Limits;
using Peregrine.Server.Stop;
using Peregrine.Server.Timeouts;
using Peregrine.Sockets;

namespace Peregrine.Server.Hosting;

/// <summary>
/// Joins the server to the host: binds every endpoint or none before other services start, accepts when they have started, and ends the
/// connections before they stop.
/// </summary>
internal sealed class PeregrineHostedService : IHostedLifecycleService, IAsyncDisposable
{
    private readonly PeregrineBuilder _builder;
    private readonly ServerSettings _settings;
    private readonly LiveSettings _live;
    private readonly PeregrineServer _server;
    private readonly ServerHealth _health;
    private readonly IServiceProvider _services;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly ILoggerFactory _loggerFactory;
    private readonly IMeterFactory _meters;
    private readonly PeregrineAdmin _administration;
    private readonly TimeProvider _clock;
    private readonly bool _isSystemdTold;
    private readonly GuardedLogger _logger;
    private readonly ServerMetrics _metrics;
    private readonly ServerSupervision _supervision;
    private List<RunningEndpoint> _endpoints = [];
    private List<DatagramEndpoint> _datagrams = [];
    private PeregrineOptions _options = new();
    private ServerAdmission? _admission;
    private AdminListener? _adminListener;
    private AcceptWatchdog? _watchdog;
    private ServerHeartbeat? _heartbeat;
    private HealthProbe? _probe;
    private ServerStop? _stop;
    private Task? _stopping;

    public PeregrineHostedService(
        PeregrineBuilder builder, ServerSettings settings, LiveSettings live, PeregrineServer server, ServerHealth health, IServiceProvider services, IHostApplicationLifetime lifetime,
        ILoggerFactory loggerFactory, IMeterFactory meters, TimeProvider clock, PeregrineAdmin administration, ISystemdNotifier? systemd = null)
    {
        _builder = builder;
        _settings = settings;
        _live = live;
        _server = server;
        _health = health;
        _services = services;
        _lifetime = lifetime;
        _loggerFactory = loggerFactory;
        _meters = meters;
        _administration = administration;
        _clock = clock;
        _isSystemdTold = systemd?.IsEnabled == true;
        _logger = new GuardedLogger(loggerFactory.CreateLogger(ServerLog.Category));
        _metrics = new ServerMetrics(meters);
        ObservedMetrics.Create(_metrics, new ObservedServer(() => _endpoints, () => _stop?.Remaining ?? [], server.CountSockets, LookAtPool));
        DatagramMetrics.Add(meters, () => _datagrams);
        _supervision = new ServerSupervision(
            new SupervisedClock(clock), new HandshakeSlots(() => live.Current.Server.Limits.MaxHandshakes), new EndReport(_metrics, clock, _logger), new ReadPauses(clock));
    }

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await BindAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (PeregrineStartException exception) when (!_settings.ThrowOnStartFailure)
        {
            // An expected failure is one line for whoever reads the log, without a stack trace. Stopping a host while it starts makes it
            // throw, so it is stopped as soon as it has started.
            ServerLog.CannotStart(_logger, exception.Message);
            if (_isSystemdTold)
            {
                throw; // Of a host that starts and stops, systemd would be told READY=1.
            }

            Environment.ExitCode = 1;
            _lifetime.ApplicationStarted.Register(_lifetime.StopApplication);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        if (!IsBound)
        {
            return;
        }

        _heartbeat = new ServerHeartbeat([.. _endpoints.Select(endpoint => endpoint.Connections)], _datagrams, _supervision, _live, _metrics, _clock, _logger);
        foreach (var endpoint in _endpoints)
        {
            await endpoint.StartAcceptingAsync().ConfigureAwait(false);
        }

        foreach (var endpoint in _datagrams)
        {
            await endpoint.StartReceivingAsync().ConfigureAwait(false);
        }

        _watchdog = new AcceptWatchdog(_endpoints, _clock, _logger);
        _health.Watch(new WatchedServer([.. _endpoints, .. _datagrams], _watchdog, _heartbeat, () => EventLoopStatus.LongestHold));
        _probe?.Start();
        _server.State = ServerState.Running;
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => StopOnceAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => StopOnceAsync(cancellationToken);

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>A host whose start failed elsewhere is disposed without a stop.</summary>
    public async ValueTask DisposeAsync() => await StopOnceAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);

    private bool IsBound => _endpoints.Count + _datagrams.Count > 0;

    private Task StopOnceAsync(CancellationToken cancellationToken)
    {
        if (_stopping is null)
        {
            _stop = new ServerStop(_endpoints, _datagrams, _admission?.Places ?? new Places(), _options, _server, _clock, _logger);
            _stopping = !IsBound ? Task.CompletedTask : StopAsync(_stop, cancellationToken);
        }

        return _stopping;
    }

    private async Task StopAsync(ServerStop stop, CancellationToken cancellationToken)
    {
        await stop.RunAsync(cancellationToken).ConfigureAwait(false);
        if (_adminListener is not null)
        {
            await _adminListener.DisposeAsync().ConfigureAwait(false);
        }

        if (_probe is not null)
        {
            await _probe.DisposeAsync().ConfigureAwait(false);
        }

        _watchdog?.Dispose();
        _heartbeat?.Dispose();
        _supervision.Pauses.Dispose();
        _admission?.Dispose();
    }

    private void OnListenerGone(string endpoint)
    {
        if (_options.StopHostWhenListenerIsGone)
        {
            ServerLog.StoppingHost(_logger, endpoint);
            Environment.ExitCode = 1;

            // On a thread of its own: whoever waits for the stop may go on inside the call.
            _ = Task.Run(_lifetime.StopApplication);
        }
    }

    private async Task BindAsync(CancellationToken cancellationToken)
    {
        var settingsNow = _live.Current;
        _options = settingsNow.Server;
        _admission = new ServerAdmission(_live, _live, _metrics, _clock, _logger);
        var binder = new EndpointBinder(PassedSockets.Current, _logger);
        var datagramBinder = new DatagramEndpointBinder(_builder.DatagramTransport, _live, _services, _clock, _loggerFactory, _logger, _health.Change);
        var running = new List<RunningEndpoint>();
        var datagrams = new List<DatagramEndpoint>();
        var bound = new List<ServerEndpoint>();
        Socket? admin;
        try
        {
            foreach (var settings in settingsNow.Endpoints)
            {
                var name = settings.Definition.Name;
                var pipeline = EndpointPipeline.Build(settings, _services);
                var transport = _builder.Transport ?? CreateTransport(settings.Options);
                var listeners = await binder.BindAsync(settings, transport, cancellationToken).ConfigureAwait(false);

                var carrier = RunningEndpoint.TransportOf(listeners);
                _metrics.AddEndpoint(name, carrier);

                // A transport of the application need not take several calls at once.
                var slots = _builder.Transport is null ? settings.Options.AcceptSlots : 1;
                var contract = new ConnectionContract(
                    name, carrier, pipeline, _options.ClientCloseGrace, _admission.AddEndpoint(name), new EndpointSupervision(name, _live, _supervision), _metrics, _clock,
                    _logger);
                var endpoint = new RunningEndpoint(transport, listeners, slots, new ConnectionTracker(contract), OnListenerGone, _health.Change);
                running.Add(endpoint);
                bound.Add(new ServerEndpoint(settings.Options.Url!, [.. listeners.Select(bound => bound.Listener.EndPoint)], endpoint));
            }

            foreach (var settings in settingsNow.Datagrams)
            {
                var endpoint = await datagramBinder.BindAsync(settings, cancellationToken).ConfigureAwait(false);
                datagrams.Add(endpoint);
                bound.Add(new ServerEndpoint(settings.Options.Url!, endpoint.Addresses, endpoint));
            }

            _probe = await HealthSettings.BindAsync(_options.Health, _health, _clock, _logger).ConfigureAwait(false);
            admin = AdminSettings.Listen(_options.Admin);
        }
        catch
        {
            foreach (var endpoint in datagrams)
            {
                await endpoint.CloseAsync().ConfigureAwait(false);
            }

            foreach (var endpoint in running)
            {
                await endpoint.CloseListenersAsync().ConfigureAwait(false);
            }

            throw;
        }

        binder.ReportUnused();
        if (running.Count > 0)
        {
            ReportBudget();
        }

        _endpoints = running;
        _datagrams = datagrams;
        _server.Endpoints = bound;
        _server.Admission = _admission;
        if (admin is not null)
        {
            _adminListener = new AdminListener(
                admin, Path.GetFullPath(_options.Admin.Socket!), peer => OwnerSocket.IsOwner(peer, admin), new AdminRequests(_server, _administration, _clock), _meters,
                _clock, _logger);
        }

        var ports = bound.Where(endpoint => endpoint.Datagrams is null).SelectMany(endpoint => endpoint.Addresses).OfType<IPEndPoint>().Select(address => address.Port).Distinct().ToList();
        if (_builder.Transport is null && ports.Count > 0)
        {
            _server.SetSocketCounter(() => TcpSockets.CountByState(ports));
        }
    }

    private void ReportBudget() => ServerLog.ConnectionBudget(
        _logger, _options.Limits.MaxConnections, _options.Limits.MaxConnectionsPerAddress, FileDescriptors.Limit?.ToString(CultureInfo.InvariantCulture) ?? "an unknown number of");

    private PoolBytes? LookAtPool() =>
        _builder.Transport is null ? new PoolBytes(PinnedMemoryPool.Shared.AllocatedBytes, PinnedMemoryPool.Shared.RentedBytes) : null;

    private SocketTransportFactory CreateTransport(EndpointOptions options) => new(
        new SocketTransportOptions
        {
            Backlog = options.Backlog,
            Listeners = options.Listeners,
            AcceptSlots = options.AcceptSlots,
            Scheduling = options.Scheduling,
            MaxUnreadBytes = options.MaxUnreadBytes,
            Socket = options.Socket,
            Close = options.Close,
            TimeProvider = _clock,
        },
        _loggerFactory);
}
