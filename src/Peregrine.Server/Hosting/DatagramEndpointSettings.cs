using Microsoft.Extensions.Configuration;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>The settings of a datagram endpoint: what code says, overridden by its section of the configuration.</summary>
/// <param name="Definition">What code says.</param>
/// <param name="Options">Complete and in their ranges, but for the url.</param>
/// <param name="Source">Where they are set.</param>
internal sealed record DatagramEndpointSettings(DatagramEndpointDefinition Definition, DatagramEndpointOptions Options, EndpointSource Source)
{
    private const string OnOrOff = "true or false";

    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public static DatagramEndpointSettings Read(DatagramEndpointDefinition definition, IConfigurationSection? section)
    {
        var options = new DatagramEndpointOptions { Url = definition.Url };
        var source = EndpointSource.Of(definition.Name, definition.Url, nameof(PeregrineBuilder.ListenUdp), section);
        try
        {
            definition.Options(options);
        }
        catch (Exception exception)
        {
            throw source.CallbackFailed(exception);
        }

        if (section is not null)
        {
            ReadSection(section, options);
        }

        if (string.IsNullOrEmpty(options.Url))
        {
            throw source.UrlMissing(EndpointUrl.AcceptedDatagrams);
        }

        foreach (var (option, value, accepted) in DatagramOptionRanges.Check(
            options.Listeners, options.BatchSize, options.MaxDatagramSizeInBytes, options.MaxQueuedBytes, options.MaxQueuedDatagrams, options.Socket))
        {
            throw new PeregrineStartException($"{source.SettingOf(option)} = \"{value}\": it takes {accepted}.");
        }

        return new DatagramEndpointSettings(definition, options, source);
    }

    private static void ReadSection(IConfigurationSection section, DatagramEndpointOptions options)
    {
        section.CheckKeys(
            "a datagram endpoint", nameof(options.Url), nameof(options.Scheduling), nameof(options.Listeners), nameof(options.BatchSize), nameof(options.MaxDatagramSizeInBytes),
            nameof(options.Io), nameof(options.Coalescing), nameof(options.Segmentation), nameof(options.MaxQueuedBytes), nameof(options.MaxQueuedDatagrams),
            nameof(options.Socket), nameof(options.Addresses));
        options.Url = section.Read(nameof(options.Url), options.Url, EndpointUrl.AcceptedDatagrams);
        options.Scheduling = section.Read(nameof(options.Scheduling), options.Scheduling, StrictSection.ParseName<ConnectionScheduling>, "ThreadPool, Inline or EventLoop");
        options.Listeners = section.Read(nameof(options.Listeners), options.Listeners, StrictSection.ParseNumber, DatagramOptionRanges.Listeners);
        options.BatchSize = section.Read(nameof(options.BatchSize), options.BatchSize, StrictSection.ParseNumber, DatagramOptionRanges.BatchSize);
        options.MaxDatagramSizeInBytes =
            section.Read(nameof(options.MaxDatagramSizeInBytes), options.MaxDatagramSizeInBytes, StrictSection.ParseNumber, DatagramOptionRanges.MaxDatagramSize);
        options.Io = section.Read(nameof(options.Io), options.Io, StrictSection.ParseName<DatagramIo>, "Auto, Batched or OneByOne");
        options.Coalescing = section.Read(nameof(options.Coalescing), options.Coalescing, StrictSection.ParseBoolean, OnOrOff);
        options.Segmentation = section.Read(nameof(options.Segmentation), options.Segmentation, StrictSection.ParseBoolean, OnOrOff);
        options.MaxQueuedBytes = section.Read(nameof(options.MaxQueuedBytes), options.MaxQueuedBytes, StrictSection.ParseNumber, DatagramOptionRanges.MaxQueuedBytes);
        options.MaxQueuedDatagrams =
            section.Read(nameof(options.MaxQueuedDatagrams), options.MaxQueuedDatagrams, StrictSection.ParseNumber, DatagramOptionRanges.MaxQueuedDatagrams);
        DatagramSocketSettings.Read(section.GetSection(nameof(options.Socket)), options.Socket);
        LimitSettings.Read(section.GetSection(nameof(options.Addresses)), options.Addresses);
    }
}
