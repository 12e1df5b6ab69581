using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Peregrine.Server.Admin;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>
/// The settings as they are now. When the configuration changes, they are read again as a whole: a change that is wrong is refused, with a log
/// entry, and those before it stay. Limits, timeouts and addresses take effect at once, the rest at the next start.
/// </summary>
internal sealed class LiveSettings : IOptionsMonitor<PeregrineOptions>, IOptionsMonitor<EndpointOptions>, IOptionsMonitor<DatagramEndpointOptions>, IDisposable
{
    private const string CallGet = "The options of an endpoint are those of its name: call Get.";

    private readonly ServerSettings _settings;
    private readonly Lazy<DescriptorBudget> _budget;
    private readonly ILogger _logger;
    private readonly Lock _reloading = new();
    private readonly IDisposable? _subscription;
    private volatile Snapshot? _current;
    private volatile SettingChanges _changes = SettingChanges.None;
    private event Action? Changed;

    public LiveSettings(ServerSettings settings, Func<DescriptorBudget> budget, IConfiguration? configuration, ILoggerFactory loggerFactory)
    {
        _settings = settings;
        _budget = new Lazy<DescriptorBudget>(budget);
        _logger = new GuardedLogger(loggerFactory.CreateLogger(ServerLog.Category));
        _subscription = configuration is null ? null : ChangeToken.OnChange(configuration.GetReloadToken, Reload);
    }

    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public Snapshot Current => _current ?? Load();

    /// <summary>What was changed over the configuration, since it has changed last.</summary>
    public SettingChanges Changes => _changes;

    PeregrineOptions IOptionsMonitor<PeregrineOptions>.CurrentValue => Current.Server;

    EndpointOptions IOptionsMonitor<EndpointOptions>.CurrentValue => throw new InvalidOperationException(CallGet);

    DatagramEndpointOptions IOptionsMonitor<DatagramEndpointOptions>.CurrentValue => throw new InvalidOperationException(CallGet);

    PeregrineOptions IOptionsMonitor<PeregrineOptions>.Get(string? name) => Current.Server;

    EndpointOptions IOptionsMonitor<EndpointOptions>.Get(string? name) => Current.Find(name)
        ?? throw new InvalidOperationException($"There is no endpoint \"{name}\".");

    DatagramEndpointOptions IOptionsMonitor<DatagramEndpointOptions>.Get(string? name) => Current.FindDatagrams(name)
        ?? throw new InvalidOperationException($"There is no datagram endpoint \"{name}\".");

    IDisposable? IOptionsMonitor<PeregrineOptions>.OnChange(Action<PeregrineOptions, string?> listener) =>
        new Subscription(this, () => listener(Current.Server, Options.DefaultName));

    IDisposable? IOptionsMonitor<EndpointOptions>.OnChange(Action<EndpointOptions, string?> listener) => new Subscription(this, () =>
    {
        foreach (var endpoint in Current.Endpoints)
        {
            listener(endpoint.Options, endpoint.Definition.Name);
        }
    });

    IDisposable? IOptionsMonitor<DatagramEndpointOptions>.OnChange(Action<DatagramEndpointOptions, string?> listener) => new Subscription(this, () =>
    {
        foreach (var endpoint in Current.Datagrams)
        {
            listener(endpoint.Options, endpoint.Definition.Name);
        }
    });

    public void Dispose() => _subscription?.Dispose();

    /// <summary>Changes settings over the configuration, until it changes.</summary>
    /// <exception cref="PeregrineStartException">A change is wrong, or the configuration is by now: nothing has changed.</exception>
    public void Change(IReadOnlyDictionary<string, string?> settings)
    {
        lock (_reloading)
        {
            var changes = _changes.With(settings);
            _current = Read(changes);
            _changes = changes;
            ServerLog.SettingsChangedByAdmin(_logger, string.Join(", ", settings.Select(static setting => $"{setting.Key} = {setting.Value ?? "as configured"}")));
            Tell();
        }
    }

    private Snapshot Load()
    {
        lock (_reloading)
        {
            return _current ??= Read(SettingChanges.None);
        }
    }

    private Snapshot Read(SettingChanges changes)
    {
        var read = new Snapshot(_settings.ReadOptions(), _settings.ReadEndpoints(), _settings.ReadDatagramEndpoints());
        changes.Apply(read.Server, read.Endpoints);
        _budget.Value.Apply(read.Server.Limits);
        return read;
    }

    private void Reload()
    {
        lock (_reloading)
        {
            if (_current is null)
            {
                return; // Nobody has asked yet.
            }

            try
            {
                _current = Read(SettingChanges.None);
            }
            catch (Exception exception) // A provider of the application may throw anything.
            {
                ServerLog.SettingsRefused(_logger, exception.Message.ReplaceLineEndings(" "));
                return;
            }

            ServerLog.SettingsChanged(_logger);
            if (_changes.Values.Count > 0)
            {
                ServerLog.AdminChangesGone(_logger, string.Join(", ", _changes.Values.Keys));
                _changes = SettingChanges.None;
            }

            Tell();
        }
    }

    /// <summary>Under the lock, so that of two changes at once the later one is told last.</summary>
    private void Tell()
    {
        foreach (var listener in Changed?.GetInvocationList() ?? [])
        {
            try
            {
                ((Action)listener)();
            }
            catch (Exception exception)
            {
                ServerLog.SettingsListenerFailed(_logger, exception);
            }
        }
    }

    /// <param name="Server">The server's.</param>
    /// <param name="Endpoints">Those of the endpoints of connections, in their order in code.</param>
    /// <param name="Datagrams">Those of the endpoints of datagrams.</param>
    internal sealed record Snapshot(PeregrineOptions Server, IReadOnlyList<EndpointSettings> Endpoints, IReadOnlyList<DatagramEndpointSettings> Datagrams)
    {
        public EndpointOptions? Find(string? name) =>
            Endpoints.FirstOrDefault(endpoint => endpoint.Definition.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.Options;

        public DatagramEndpointOptions? FindDatagrams(string? name) =>
            Datagrams.FirstOrDefault(endpoint => endpoint.Definition.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.Options;
    }

    private sealed class Subscription : IDisposable
    {
        private readonly LiveSettings _owner;
        private readonly Action _listener;

        public Subscription(LiveSettings owner, Action listener)
        {
            _owner = owner;
            _listener = listener;
            owner.Changed += listener;
        }

        public void Dispose() => _owner.Changed -= _listener;
    }
}
