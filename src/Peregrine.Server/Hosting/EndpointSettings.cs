using Microsoft.Extensions.Configuration;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>The settings of an endpoint: what code says, overridden by its section of the configuration.</summary>
/// <param name="Definition">What code says.</param>
/// <param name="Options">Complete and in their ranges, but for the url.</param>
/// <param name="Source">Where they are set.</param>
internal sealed record EndpointSettings(EndpointDefinition Definition, EndpointOptions Options, EndpointSource Source)
{
    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public static EndpointSettings Read(EndpointDefinition definition, IConfigurationSection? section)
    {
        var options = new EndpointOptions { Url = definition.Url };
        var source = EndpointSource.Of(definition.Name, definition.Url, nameof(PeregrineBuilder.Listen), section);
        try
        {
            definition.Options(options);
        }
        catch (Exception exception)
        {
            throw source.CallbackFailed(exception);
        }

        // Those of code may be shared by endpoints, and are read again at each change of the configuration: what is set over them stays here.
        options.Tls = options.Tls?.Copy();
        options.ProxyProtocol = options.ProxyProtocol?.Copy();
        if (section is not null)
        {
            ReadSection(section, options);
        }

        if (string.IsNullOrEmpty(options.Url))
        {
            throw source.UrlMissing(EndpointUrl.Accepted);
        }

        options.Tls?.SettingName = $"{source.Path}:{nameof(options.Tls)}";
        LimitSettings.Read(section?.GetSection(nameof(options.Limits)), options.Limits, source.Path);
        LimitSettings.Read(section?.GetSection(nameof(options.Timeouts)), options.Timeouts, source.Path);
        LimitSettings.Read(section?.GetSection(nameof(options.Addresses)), options.Addresses);
        options.ProxyProtocol = ProxyProtocolSettings.Read(section?.GetSection(nameof(options.ProxyProtocol)), options.ProxyProtocol, source.Path);
        foreach (var (option, value, accepted) in OptionRanges.Check(
            options.Backlog, options.Listeners, options.AcceptSlots, options.MaxUnreadBytes, options.Socket, options.Close))
        {
            throw new PeregrineStartException($"{source.SettingOf(option)} = \"{value}\": it takes {accepted}.");
        }

        return new EndpointSettings(definition, options, source);
    }

    private static void ReadSection(IConfigurationSection section, EndpointOptions options)
    {
        section.CheckKeys(
            "an endpoint", nameof(options.Url), nameof(options.Backlog), nameof(options.Listeners), nameof(options.AcceptSlots), nameof(options.Scheduling),
            nameof(options.MaxUnreadBytes), nameof(options.Socket), nameof(options.Close), nameof(options.Limits), nameof(options.Timeouts),
            nameof(options.Addresses), nameof(options.ProxyProtocol), nameof(options.Tls));
        section.CheckIsNotEmpty(nameof(options.Tls), "set its Certificate, or remove it");
        section.CheckIsNotEmpty(nameof(options.ProxyProtocol), "set its TrustedNetworks, or remove it");
        options.Url = section.Read(nameof(options.Url), options.Url, EndpointUrl.Accepted);
        options.Backlog = section.Read(nameof(options.Backlog), options.Backlog, StrictSection.ParseNumber, OptionRanges.Backlog);
        options.Listeners = section.Read(nameof(options.Listeners), options.Listeners, StrictSection.ParseNumber, OptionRanges.Listeners);
        options.AcceptSlots = section.Read(nameof(options.AcceptSlots), options.AcceptSlots, StrictSection.ParseNumber, OptionRanges.AcceptSlots);
        options.Scheduling = section.Read(nameof(options.Scheduling), options.Scheduling, StrictSection.ParseName<ConnectionScheduling>, "ThreadPool, Inline or EventLoop");
        options.MaxUnreadBytes = section.Read(nameof(options.MaxUnreadBytes), options.MaxUnreadBytes, StrictSection.ParseLong, OptionRanges.MaxUnreadBytes);
        SocketSettings.Read(section.GetSection(nameof(options.Socket)), options.Socket);
        ReadClose(section.GetSection(nameof(options.Close)), options.Close);
        options.Tls = TlsSettings.Read(section.GetSection(nameof(options.Tls)), options.Tls);
    }

    private static void ReadClose(IConfigurationSection section, CloseOptions options)
    {
        section.CheckKeys(
            "the close", nameof(options.ProgressTimeout), nameof(options.Silence), nameof(options.Total), nameof(options.DiscardLimitInBytes),
            nameof(options.MaxLingering));
        options.ProgressTimeout = section.Read(nameof(options.ProgressTimeout), options.ProgressTimeout, StrictSection.ParseTime, OptionRanges.CloseTime);
        options.Silence = section.Read(nameof(options.Silence), options.Silence, StrictSection.ParseTime, OptionRanges.CloseTime);
        options.Total = section.Read(nameof(options.Total), options.Total, StrictSection.ParseTime, OptionRanges.CloseTime);
        options.DiscardLimitInBytes =
            section.Read(nameof(options.DiscardLimitInBytes), options.DiscardLimitInBytes, StrictSection.ParseLong, OptionRanges.DiscardLimit);
        options.MaxLingering = section.Read(nameof(options.MaxLingering), options.MaxLingering, StrictSection.ParseNumber, OptionRanges.MaxLingering);
    }
}
