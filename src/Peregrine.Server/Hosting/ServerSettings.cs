using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>The settings of the server: what code says, overridden by the configuration section <c>Peregrine</c>, every key of which must be known.</summary>
internal sealed class ServerSettings
{
    private const string Root = "Peregrine";
    private static readonly TimeSpan HostMargin = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestShutdown = TimeSpan.FromDays(1);

    private readonly PeregrineBuilder _builder;
    private readonly IConfiguration? _configuration;
    private readonly PeregrineOptions _code = new();
    private readonly PeregrineStartException? _codeFailure;

    public ServerSettings(PeregrineBuilder builder, IConfiguration? configuration)
    {
        _builder = builder;
        _configuration = configuration;
        try
        {
            builder.ConfigureOptions?.Invoke(_code);
        }
        catch (Exception exception)
        {
            _codeFailure = CallbackFailed("Configure", exception);
        }
    }

    /// <summary>Whether a start that fails throws: from code, and known also where the configuration is wrong.</summary>
    public bool ThrowOnStartFailure => _code.ThrowOnStartFailure;

    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public PeregrineOptions ReadOptions()
    {
        if (_codeFailure is not null)
        {
            throw _codeFailure;
        }

        var options = new PeregrineOptions { ShutdownTimeout = _code.ShutdownTimeout, ThrowOnStartFailure = _code.ThrowOnStartFailure };
        if (_configuration?.GetSection(Root) is { } root)
        {
            CheckKeys(root, "Peregrine", nameof(PeregrineOptions.ShutdownTimeout), "Endpoints");
            CheckIsSection(root.GetSection("Endpoints"));
            options.ShutdownTimeout = Read(root, nameof(options.ShutdownTimeout), options.ShutdownTimeout, ParseTime, "a time such as 00:00:25");
        }

        return options.ShutdownTimeout >= TimeSpan.Zero && options.ShutdownTimeout <= LongestShutdown
            ? options
            : throw new PeregrineStartException(
                $"{Root}:{nameof(options.ShutdownTimeout)} = \"{options.ShutdownTimeout}\": a shutdown timeout is from zero to one day; use a time such as 00:00:25.");
    }

    /// <summary>The endpoints, each with its options complete.</summary>
    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public IReadOnlyList<(EndpointDefinition Definition, EndpointOptions Options, string UrlSetting)> ReadEndpoints()
    {
        var sections = _configuration?.GetSection($"{Root}:Endpoints").GetChildren().ToList() ?? [];
        var known = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var definition in _builder.Endpoints)
        {
            if (!known.Add(definition.Name))
            {
                throw new PeregrineStartException($"The endpoint \"{definition.Name}\" is defined twice in code; give each endpoint one name and one url.");
            }
        }

        if (sections.FirstOrDefault(section => !known.Contains(section.Key)) is { } stray)
        {
            throw new PeregrineStartException(
                $"{stray.Path} is configured and has no handler; add .Endpoint(\"{stray.Key}\", …) to AddPeregrine, or remove the section."
                + (known.Count == 0 ? "" : $" Handlers are there for {string.Join(", ", known.Select(name => $"\"{name}\""))}."));
        }

        return known.Count > 0
            ? [.. _builder.Endpoints.Select(definition => ReadEndpoint(definition, sections.Find(section => IsOf(section, definition))))]
            : throw new PeregrineStartException("The server has no endpoint; add .Listen(\"tcp://*:7000\", …) to AddPeregrine.");
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

    private static bool IsOf(IConfigurationSection section, EndpointDefinition definition) =>
        section.Key.Equals(definition.Name, StringComparison.OrdinalIgnoreCase);

    private static (EndpointDefinition Definition, EndpointOptions Options, string UrlSetting) ReadEndpoint(
        EndpointDefinition definition, IConfigurationSection? section)
    {
        var options = new EndpointOptions { Url = definition.Url };
        try
        {
            definition.Options(options);
        }
        catch (Exception exception)
        {
            throw CallbackFailed($"the endpoint \"{definition.Name}\"", exception);
        }

        if (section is not null)
        {
            ReadSection(section, options);
        }

        // An endpoint of code has no section, and its name may be one that no section can have.
        var path = definition.Url is null || section is not null ? $"{Root}:Endpoints:{definition.Name}" : $"Endpoint \"{definition.Name}\" (in code)";
        if (string.IsNullOrEmpty(options.Url))
        {
            throw new PeregrineStartException(
                $"{path}:{nameof(options.Url)} is missing: the endpoint \"{definition.Name}\" has a handler and no url; set it to {EndpointUrl.Accepted}.");
        }

        if (options.Backlog < 1)
        {
            throw new PeregrineStartException($"{path}:{nameof(options.Backlog)} = \"{options.Backlog}\": the backlog is a number from 1; the default is 4096.");
        }

        if (options.MaxUnreadBytes < 1)
        {
            throw new PeregrineStartException(
                $"{path}:{nameof(options.MaxUnreadBytes)} = \"{options.MaxUnreadBytes}\": the bound of unread bytes is a number from 1; the default is 1048576.");
        }

        var fromCode = definition.Url is not null && section?[nameof(options.Url)] is null;
        return (definition, options, fromCode ? "Listen" : $"{path}:{nameof(options.Url)}");
    }

    private static void ReadSection(IConfigurationSection section, EndpointOptions options)
    {
        CheckKeys(section, "an endpoint", nameof(options.Url), nameof(options.Backlog), nameof(options.Scheduling), nameof(options.MaxUnreadBytes), nameof(options.Socket));
        options.Url = Read(section, nameof(options.Url), options.Url);
        options.Backlog = Read(section, nameof(options.Backlog), options.Backlog, ParseNumber, "a number from 1");
        options.Scheduling = Read(section, nameof(options.Scheduling), options.Scheduling, ParseScheduling, "ThreadPool or Inline");
        options.MaxUnreadBytes = Read(section, nameof(options.MaxUnreadBytes), options.MaxUnreadBytes, ParseLong, "a number from 1");
        var socket = section.GetSection(nameof(options.Socket));
        CheckKeys(socket, "the socket", nameof(options.Socket.NoDelay));
        options.Socket.NoDelay = Read(socket, nameof(options.Socket.NoDelay), options.Socket.NoDelay, ParseBoolean, "true or false");
    }

    private static PeregrineStartException CallbackFailed(string where, Exception exception) =>
        new($"The options that code sets for {where} failed: {exception.Message.ReplaceLineEndings(" ")}", exception);

    private static void CheckIsSection(IConfigurationSection section)
    {
        if (!string.IsNullOrEmpty(section.Value))
        {
            throw new PeregrineStartException($"{section.Path} = \"{section.Value}\" is a section and takes no value; set one of its keys.");
        }
    }

    private static void CheckKeys(IConfigurationSection section, string what, params string[] known)
    {
        CheckIsSection(section);
        foreach (var child in section.GetChildren())
        {
            if (!known.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                throw new PeregrineStartException($"{child.Path} is not a setting; {what} takes {string.Join(", ", known)}.");
            }
        }
    }

    private static string? Read(IConfigurationSection section, string key, string? fallback) =>
        section.GetSection(key).GetChildren().FirstOrDefault() is { } child
            ? throw new PeregrineStartException($"{child.Path} is not a setting; {section.Path}:{key} takes {EndpointUrl.Accepted}.")
            : section[key] ?? fallback;

    private static T Read<T>(IConfigurationSection section, string key, T fallback, Func<string, T?> parse, string expected)
        where T : struct
    {
        if (section.GetSection(key).GetChildren().FirstOrDefault() is { } child)
        {
            throw new PeregrineStartException($"{child.Path} is not a setting; {section.Path}:{key} takes {expected}.");
        }

        if (section[key] is not { } text)
        {
            return fallback;
        }

        return parse(text) ?? throw new PeregrineStartException($"{section.Path}:{key} = \"{text}\" is not {expected}.");
    }

    // A bare number, meant as seconds, would be days to TimeSpan.
    private static TimeSpan? ParseTime(string text) =>
        text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static int? ParseNumber(string text) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static long? ParseLong(string text) => long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static ConnectionScheduling? ParseScheduling(string text) =>
        Enum.GetNames<ConnectionScheduling>().Contains(text, StringComparer.OrdinalIgnoreCase) ? Enum.Parse<ConnectionScheduling>(text, ignoreCase: true) : null;

    private static bool? ParseBoolean(string text) => bool.TryParse(text, out var value) ? value : null;
}
