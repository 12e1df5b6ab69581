using Microsoft.Extensions.Configuration;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Admin;

/// <summary>Settings that were changed at run time, by their names below the section <c>Peregrine</c>: a layer over the configuration. Immutable.</summary>
internal sealed class SettingChanges
{
    public static readonly SettingChanges None = new([]);

    private const string Limits = nameof(PeregrineOptions.Limits);
    private static readonly string[] s_ofEndpoints =
        [nameof(EndpointOptions.Limits), nameof(EndpointOptions.Timeouts), nameof(EndpointOptions.Addresses)];

    private readonly Dictionary<string, string> _values;

    private SettingChanges(Dictionary<string, string> values) => _values = values;

    public IReadOnlyDictionary<string, string> Values => _values;

    public SettingChanges With(IReadOnlyDictionary<string, string?> changes)
    {
        var values = new Dictionary<string, string>(_values, StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                values.Remove(key);
            }
            else
            {
                values[key] = value;
            }
        }

        return new SettingChanges(values);
    }

    /// <summary>Sets them over what was read of the configuration, and checks them.</summary>
    /// <exception cref="PeregrineStartException">One is unknown, cannot change, or has a value that it cannot have.</exception>
    public void Apply(PeregrineOptions server, IReadOnlyList<EndpointSettings> endpoints)
    {
        if (_values.Count == 0)
        {
            return;
        }

        foreach (var key in _values.Keys)
        {
            CheckCanChange(key, endpoints);
        }

        var root = new ConfigurationBuilder()
            .AddInMemoryCollection(_values.Select(static value => KeyValuePair.Create($"{ServerSettings.Root}:{value.Key}", (string?)value.Value))).Build();
        LimitSettings.Read(root.GetSection($"{ServerSettings.Root}:{Limits}"), server.Limits);
        foreach (var (definition, options, source) in endpoints)
        {
            // By its whole name, which may have colons.
            var section = root.GetSection($"{ServerSettings.Root}:{SectionOf(definition)}");
            LimitSettings.Read(section.GetSection(nameof(options.Limits)), options.Limits, source.Path);
            LimitSettings.Read(section.GetSection(nameof(options.Timeouts)), options.Timeouts, source.Path);
            LimitSettings.Read(section.GetSection(nameof(options.Addresses)), options.Addresses);
        }
    }

    private static void CheckCanChange(string key, IReadOnlyList<EndpointSettings> endpoints)
    {
        if (!IsBelow(key, Limits) && !endpoints.Any(endpoint => s_ofEndpoints.Any(section => IsBelow(key, $"{SectionOf(endpoint.Definition)}:{section}"))))
        {
            throw new PeregrineStartException(
                $"{ServerSettings.Root}:{key} is not a setting that can change while the server runs; those are {Limits}:… and Endpoints:<name>:{string.Join(":…, Endpoints:<name>:", s_ofEndpoints)}:…, with the name of {string.Join(" or ", endpoints.Select(endpoint => $"\"{endpoint.Definition.Name}\""))}.");
        }
    }

    private static string SectionOf(EndpointDefinition definition) => $"Endpoints:{definition.Name}";

    private static bool IsBelow(string key, string section) =>
        key.Length > section.Length + 1 && key[section.Length] == ':' && key.StartsWith(section, StringComparison.OrdinalIgnoreCase);
}
