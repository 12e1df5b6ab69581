using Microsoft.Extensions.Configuration;

namespace Peregrine.Server.Hosting;

/// <summary>Where the settings of an endpoint are, for messages.</summary>
/// <param name="Name">The endpoint's name.</param>
/// <param name="Path">Where its options are set.</param>
/// <param name="UrlSetting">Where its url is set.</param>
internal sealed record EndpointSource(string Name, string Path, string UrlSetting)
{
    private const string Url = "Url";

    /// <param name="name">The endpoint's name.</param>
    /// <param name="url">That of code, if there is one.</param>
    /// <param name="method">What code calls with a url.</param>
    /// <param name="section">The endpoint's, if there is one.</param>
    public static EndpointSource Of(string name, string? url, string method, IConfigurationSection? section)
    {
        // An endpoint of code has no section, and its name may be one that no section can have.
        var path = url is null || section is not null ? $"{ServerSettings.Root}:Endpoints:{name}" : $"Endpoint \"{name}\" (in code)";
        return new EndpointSource(name, path, url is not null && section?[Url] is null ? method : $"{path}:{Url}");
    }

    /// <summary>The setting of an option, whose path has dots and brackets where the configuration has colons.</summary>
    public string SettingOf(string option) => $"{Path}:{option.Replace('.', ':').Replace('[', ':').Replace("]", null, StringComparison.Ordinal)}";

    public PeregrineStartException UrlMissing(string accepted) =>
        new($"{Path}:{Url} is missing: the endpoint \"{Name}\" has a handler and no url; set it to {accepted}.");

    public PeregrineStartException CallbackFailed(Exception exception) => CallbackFailed($"the endpoint \"{Name}\"", exception);

    public static PeregrineStartException CallbackFailed(string where, Exception exception) =>
        new($"The options that code sets for {where} failed: {exception.Message.ReplaceLineEndings(" ")}", exception);
}
