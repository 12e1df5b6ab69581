using Microsoft.Extensions.Configuration;
using Peregrine.Middleware;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the section of the PROXY protocol over what code says. A section with keys means that the header is required.</summary>
internal static class ProxyProtocolSettings
{
    private const string Required = nameof(Required);

    /// <param name="section">The endpoint's, which may have no keys.</param>
    /// <param name="options">What code says, which is changed; null if there is no header.</param>
    /// <param name="path">Where the endpoint is set.</param>
    /// <exception cref="PeregrineStartException">A key is unknown, a value is not of its kind or out of its range, or nobody is trusted.</exception>
    public static ProxyProtocolOptions? Read(IConfigurationSection? section, ProxyProtocolOptions? options, string path)
    {
        if (section?.Exists() == true)
        {
            options ??= new ProxyProtocolOptions();
            section.CheckKeys(
                "the PROXY protocol", Required, nameof(options.TrustedNetworks), nameof(options.TrustUnixSockets), nameof(options.DangerousTrustAnySender),
                nameof(options.HeaderTimeout), nameof(options.Versions), nameof(options.MaxHeaderSizeInBytes));
            LimitSettings.ReadNetworks(section.GetSection(nameof(options.TrustedNetworks)), options.TrustedNetworks);
            options.TrustUnixSockets = ReadSwitch(section, nameof(options.TrustUnixSockets), options.TrustUnixSockets);
            options.DangerousTrustAnySender = ReadSwitch(section, nameof(options.DangerousTrustAnySender), options.DangerousTrustAnySender);
            options.HeaderTimeout = section.Read(nameof(options.HeaderTimeout), options.HeaderTimeout, StrictSection.ParseTime, "a time such as 00:00:03");
            options.Versions = section.Read(
                nameof(options.Versions), options.Versions, StrictSection.ParseName<ProxyProtocolVersions>, "Version1, Version2 or Any");
            options.MaxHeaderSizeInBytes = section.Read(
                nameof(options.MaxHeaderSizeInBytes), options.MaxHeaderSizeInBytes, StrictSection.ParseNumber, "a number of bytes such as 2560");
            options = ReadSwitch(section, Required, true) ? options : null;
        }

        try
        {
            options?.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new PeregrineStartException($"{path}:{exception.Message}", exception);
        }

        return options;
    }

    private static bool ReadSwitch(IConfigurationSection section, string key, bool fallback) =>
        section.Read(key, fallback, StrictSection.ParseBoolean, "true or false");
}
