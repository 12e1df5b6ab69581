using Microsoft.Extensions.Configuration;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the section <c>Socket</c> of an endpoint over what code says.</summary>
internal static class SocketSettings
{
    /// <exception cref="PeregrineStartException">A key is unknown, or a value is not of its kind; ranges are not looked at.</exception>
    public static void Read(IConfigurationSection section, SocketOptions options)
    {
        section.CheckKeys(
            "the socket", nameof(options.NoDelay), nameof(options.KeepAlive), nameof(options.ReceiveBufferSizeInBytes), nameof(options.SendBufferSizeInBytes),
            nameof(options.Linger), nameof(options.UserTimeout), nameof(options.UnsentLowWatermarkInBytes), nameof(options.Dscp), nameof(options.IPv6Only),
            nameof(options.Device), nameof(options.FastOpenQueueLength));
        options.NoDelay = section.Read(nameof(options.NoDelay), options.NoDelay, StrictSection.ParseBoolean, "true or false");
        options.ReceiveBufferSizeInBytes = Number(section, nameof(options.ReceiveBufferSizeInBytes), options.ReceiveBufferSizeInBytes, OptionRanges.BufferSize);
        options.SendBufferSizeInBytes = Number(section, nameof(options.SendBufferSizeInBytes), options.SendBufferSizeInBytes, OptionRanges.BufferSize);
        options.Linger = Time(section, nameof(options.Linger), options.Linger, OptionRanges.Linger);
        options.UserTimeout = Time(section, nameof(options.UserTimeout), options.UserTimeout, OptionRanges.UserTimeout);
        options.UnsentLowWatermarkInBytes =
            Number(section, nameof(options.UnsentLowWatermarkInBytes), options.UnsentLowWatermarkInBytes, OptionRanges.UnsentLowWatermark);
        options.Dscp = Number(section, nameof(options.Dscp), options.Dscp, OptionRanges.Dscp);
        options.IPv6Only = section.Read(nameof(options.IPv6Only), options.IPv6Only, StrictSection.ParseBoolean, "true or false");
        options.Device = section.Read(nameof(options.Device), options.Device, OptionRanges.Device);
        options.FastOpenQueueLength =
            section.Read(nameof(options.FastOpenQueueLength), options.FastOpenQueueLength, StrictSection.ParseNumber, OptionRanges.FastOpenQueueLength);
        ReadKeepAlive(section.GetSection(nameof(options.KeepAlive)), options.KeepAlive);
    }

    private static void ReadKeepAlive(IConfigurationSection section, KeepAliveOptions options)
    {
        section.CheckKeys("keep-alive", nameof(options.Time), nameof(options.Interval), nameof(options.Count));
        options.Time = Time(section, nameof(options.Time), options.Time, OptionRanges.KeepAliveFirst);
        options.Interval = Time(section, nameof(options.Interval), options.Interval, OptionRanges.KeepAliveTime);
        options.Count = Number(section, nameof(options.Count), options.Count, OptionRanges.KeepAliveCount);
    }

    private static int? Number(IConfigurationSection section, string key, int? fallback, string expected) =>
        section.ReadOptional(key, fallback, StrictSection.ParseNumber, expected);

    private static TimeSpan? Time(IConfigurationSection section, string key, TimeSpan? fallback, string expected) =>
        section.ReadOptional(key, fallback, StrictSection.ParseTime, expected);
}
