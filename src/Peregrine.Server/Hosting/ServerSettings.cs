using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>The settings of the server: what code says, overridden by the configuration section <c>Peregrine</c>, every key of which must be known.</summary>
internal sealed class ServerSettings
{
    public const string Root = "Peregrine";

    private static readonly TimeSpan HostMargin = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestShutdown = TimeSpan.FromDays(1);

    private static readonly (string Name, Func<PeregrineOptions, TimeSpan> Get, Action<PeregrineOptions, TimeSpan> Set)[] s_times =
    [
        (nameof(PeregrineOptions.ShutdownTimeout), static options => options.ShutdownTimeout, static (options, time) => options.ShutdownTimeout = time),
        (nameof(PeregrineOptions.DrainDelay), static options => options.DrainDelay, static (options, time) => options.DrainDelay = time),
        (nameof(PeregrineOptions.CloseSpread), static options => options.CloseSpread, static (options, time) => options.CloseSpread = time),
        (nameof(PeregrineOptions.ClientCloseGrace), static options => options.ClientCloseGrace, static (options, time) => options.ClientCloseGrace = time),
    ];

    private readonly PeregrineBuilder _builder;
    private readonly IConfiguration? _configuration;

    public ServerSettings(PeregrineBuilder builder, IConfiguration? configuration)
    {
        _builder = builder;
        _configuration = configuration;
        var options = new PeregrineOptions();
        try
        {
            Configure(options);
        }
        catch (PeregrineStartException)
        {
            // The start will say so, in the way that was set before the failure.
        }

        ThrowOnStartFailure = options.ThrowOnStartFailure;
    }

    /// <summary>Whether a start that fails throws: from code, and known also where the configuration is wrong.</summary>
    public bool ThrowOnStartFailure { get; }

    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public PeregrineOptions ReadOptions()
    {
        var options = new PeregrineOptions();
        Configure(options);
        if (_configuration?.GetSection(Root) is { } root)
        {
            root.CheckKeys("Peregrine", [.. s_times.Select(time => time.Name), nameof(PeregrineOptions.StopHostWhenListenerIsGone), nameof(PeregrineOptions.Limits), HealthSettings.Section, nameof(PeregrineOptions.Admin), "Endpoints"]);
            root.GetSection("Endpoints").CheckIsSection();
            foreach (var (name, get, set) in s_times)
            {
                set(options, root.Read(name, get(options), StrictSection.ParseTime, "a time such as 00:00:25"));
            }

            options.StopHostWhenListenerIsGone = root.Read(
                nameof(options.StopHostWhenListenerIsGone), options.StopHostWhenListenerIsGone, StrictSection.ParseBoolean, "true or false");
            AdminSettings.Read(root.GetSection(nameof(options.Admin)), options.Admin);
        }

        HealthSettings.Read(_configuration?.GetSection($"{Root}:{HealthSettings.Section}"), options.Health);
        LimitSettings.Read(_configuration?.GetSection($"{Root}:{nameof(options.Limits)}"), options.Limits);
        foreach (var (name, get, _) in s_times)
        {
            if (get(options) < TimeSpan.Zero || get(options) > LongestShutdown)
            {
                throw new PeregrineStartException($"{Root}:{name} = \"{get(options)}\": it is from zero to one day; use a time such as 00:00:25.");
            }
        }

        var waits = options.DrainDelay + options.CloseSpread + options.ClientCloseGrace;
        return waits == TimeSpan.Zero || waits < options.ShutdownTimeout
            ? options
            : throw new PeregrineStartException(
                $"{Root}:{nameof(options.DrainDelay)} ({options.DrainDelay}), {nameof(options.CloseSpread)} ({options.CloseSpread}) and {nameof(options.ClientCloseGrace)} ({options.ClientCloseGrace}) leave nothing of {nameof(options.ShutdownTimeout)} ({options.ShutdownTimeout}) to end connections in; raise it.");
    }

    private void Configure(PeregrineOptions options)
    {
        try
        {
            _builder.ConfigureOptions?.Invoke(options);
        }
        catch (Exception exception)
        {
            throw EndpointSource.CallbackFailed("Configure", exception);
        }
    }

    /// <summary>The endpoints of connections, each with its options complete.</summary>
    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have; there is no endpoint of any kind.</exception>
    public IReadOnlyList<EndpointSettings> ReadEndpoints()
    {
        var sections = ReadSections();
        return [.. _builder.Endpoints.Select(definition => EndpointSettings.Read(definition, sections.GetValueOrDefault(definition.Name)))];
    }

    /// <summary>The endpoints of datagrams, each with its options complete.</summary>
    /// <exception cref="PeregrineStartException">As above.</exception>
    public IReadOnlyList<DatagramEndpointSettings> ReadDatagramEndpoints()
    {
        var sections = ReadSections();
        return [.. _builder.DatagramEndpoints.Select(definition => DatagramEndpointSettings.Read(definition, sections.GetValueOrDefault(definition.Name)))];
    }

    /// <summary>The sections of endpoints by their names, each of which has a handler.</summary>
    private Dictionary<string, IConfigurationSection> ReadSections()
    {
        var sections = _configuration?.GetSection($"{Root}:Endpoints").GetChildren().ToList() ?? [];
        var known = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var name in _builder.Endpoints.Select(definition => definition.Name).Concat(_builder.DatagramEndpoints.Select(definition => definition.Name)))
        {
            if (!known.Add(name))
            {
                throw new PeregrineStartException($"The endpoint \"{name}\" is defined twice in code; give each endpoint one name and one url.");
            }
        }

        if (sections.FirstOrDefault(section => !known.Contains(section.Key)) is { } stray)
        {
            var method = stray["Url"]?.StartsWith("udp:", StringComparison.OrdinalIgnoreCase) == true ? nameof(PeregrineBuilder.UdpEndpoint) : nameof(PeregrineBuilder.Endpoint);
            throw new PeregrineStartException(
                $"{stray.Path} is configured and has no handler; add .{method}(\"{stray.Key}\", …) to AddPeregrine, or remove the section."
                + (known.Count == 0 ? "" : $" Handlers are there for {string.Join(", ", known.Select(name => $"\"{name}\""))}."));
        }

        return known.Count > 0
            ? sections.ToDictionary(section => section.Key, StringComparer.OrdinalIgnoreCase)
            : throw new PeregrineStartException("The server has no endpoint; add .Listen(\"tcp://*:7000\", …) or .ListenUdp(\"udp://*:7000\", …) to AddPeregrine.");
    }

    /// <summary>Without it, the host would cut the stop short.</summary>
    public void LeaveTimeForTheStop(HostOptions host)
    {
        TimeSpan needed;
        try
        {
            needed = ReadOptions().ShutdownTimeout + HostMargin;
        }
        catch (PeregrineStartException)
        {
            return; // The start will say so.
        }

        if (host.ShutdownTimeout != Timeout.InfiniteTimeSpan && host.ShutdownTimeout < needed)
        {
            host.ShutdownTimeout = needed;
        }
    }
}
