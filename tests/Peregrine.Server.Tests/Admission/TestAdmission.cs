using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Peregrine.Server.Admission;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Tests.Admission;

/// <summary>The admission of a server without the server: endpoints "test" and "other", settings that a test changes.</summary>
internal sealed class TestAdmission : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly Settings<PeregrineOptions> _options = new();
    private readonly Settings<EndpointOptions> _endpoints = new();

    public TestAdmission(Action<ServerLimits>? limits = null, Action<EndpointOptions>? endpoint = null, TimeProvider? clock = null, ILogger? logger = null)
    {
        logger = new GuardedLogger(logger ?? NullLogger.Instance);
        Metrics = new ServerMetrics(_services.GetRequiredService<IMeterFactory>());
        limits?.Invoke(_options.Value.Limits);
        endpoint?.Invoke(_endpoints.Value);
        Server = new ServerAdmission(_options, _endpoints, Metrics, clock ?? TimeProvider.System, logger);
        Endpoint = Server.AddEndpoint("test");
        Other = Server.AddEndpoint("other");
    }

    public ServerMetrics Metrics { get; }

    public ServerAdmission Server { get; }

    public EndpointAdmission Endpoint { get; }

    public EndpointAdmission Other { get; }

    public void Change(Action<ServerLimits> change) => _options.Change(options => change(options.Limits), Options.DefaultName);

    /// <summary>Of the endpoint "test".</summary>
    public void ChangeEndpoint(Action<EndpointOptions> change) => _endpoints.Change(change, "test");

    public void Dispose()
    {
        Server.Dispose();
        _services.Dispose();
    }

    private sealed class Settings<T> : IOptionsMonitor<T>
        where T : class, new()
    {
        private Action<T, string?>? _listeners;

        public T Value { get; } = new();

        public T CurrentValue => Value;

        public T Get(string? name) => Value;

        public IDisposable? OnChange(Action<T, string?> listener)
        {
            _listeners += listener;
            return null;
        }

        public void Change(Action<T> change, string name)
        {
            change(Value);
            _listeners?.Invoke(Value, name);
        }
    }
}
