using System.Net;
using Microsoft.Extensions.Configuration;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the section <c>Socket</c> of a datagram endpoint over what code says.</summary>
internal static class DatagramSocketSettings
{
    private const string OnOrOff = "true or false";

    /// <exception cref="PeregrineStartException">A key is unknown, or a value is not of its kind; ranges are not looked at.</exception>
    public static void Read(IConfigurationSection section, DatagramSocketOptions options)
    {
        section.CheckKeys(
            "the socket of a datagram endpoint", nameof(options.ReceiveBufferSizeInBytes), nameof(options.SendBufferSizeInBytes), nameof(options.IPv6Only), nameof(options.Device),
            nameof(options.Dscp), nameof(options.TimeToLive), nameof(options.Broadcast), nameof(options.ReceiveMarks), nameof(options.DontFragment), nameof(options.Multicast));
        options.ReceiveBufferSizeInBytes =
            section.Read(nameof(options.ReceiveBufferSizeInBytes), options.ReceiveBufferSizeInBytes, StrictSection.ParseNumber, DatagramOptionRanges.ReceiveBufferSize);
        options.SendBufferSizeInBytes =
            section.ReadOptional(nameof(options.SendBufferSizeInBytes), options.SendBufferSizeInBytes, StrictSection.ParseNumber, OptionRanges.BufferSize);
        options.IPv6Only = section.Read(nameof(options.IPv6Only), options.IPv6Only, StrictSection.ParseBoolean, OnOrOff);
        options.Device = section.Read(nameof(options.Device), options.Device, OptionRanges.Device);
        options.Dscp = section.ReadOptional(nameof(options.Dscp), options.Dscp, StrictSection.ParseNumber, OptionRanges.Dscp);
        options.TimeToLive = section.ReadOptional(nameof(options.TimeToLive), options.TimeToLive, StrictSection.ParseNumber, DatagramOptionRanges.TimeToLive);
        options.Broadcast = section.Read(nameof(options.Broadcast), options.Broadcast, StrictSection.ParseBoolean, OnOrOff);
        options.ReceiveMarks = section.Read(nameof(options.ReceiveMarks), options.ReceiveMarks, StrictSection.ParseBoolean, OnOrOff);
        options.DontFragment = section.ReadOptional(nameof(options.DontFragment), options.DontFragment, StrictSection.ParseBoolean, OnOrOff);
        ReadMulticast(section.GetSection(nameof(options.Multicast)), options.Multicast);
    }

    private static void ReadMulticast(IConfigurationSection section, MulticastOptions options)
    {
        section.CheckKeys("multicast", nameof(options.Groups), nameof(options.Interface), nameof(options.Loopback), nameof(options.TimeToLive));
        options.Interface = section.Read(nameof(options.Interface), options.Interface, DatagramOptionRanges.Interface);
        options.Loopback = section.Read(nameof(options.Loopback), options.Loopback, StrictSection.ParseBoolean, OnOrOff);
        options.TimeToLive = section.Read(nameof(options.TimeToLive), options.TimeToLive, StrictSection.ParseNumber, DatagramOptionRanges.MulticastTimeToLive);
        var groups = section.GetSection(nameof(options.Groups));
        if (!groups.Exists())
        {
            return;
        }

        // A list in the configuration replaces that of code.
        groups.CheckIsSection();
        options.Groups.Clear();
        foreach (var item in groups.GetChildren())
        {
            options.Groups.Add(ReadGroup(item));
        }
    }

    private static MulticastGroup ReadGroup(IConfigurationSection section)
    {
        var group = new MulticastGroup();
        section.CheckKeys("a multicast group", nameof(group.Address), nameof(group.Source), nameof(group.Interface));
        group.Address = ReadAddress(section, nameof(group.Address), DatagramOptionRanges.GroupAddress);
        group.Source = ReadAddress(section, nameof(group.Source), DatagramOptionRanges.GroupSource);
        group.Interface = section.Read(nameof(group.Interface), null, DatagramOptionRanges.Interface);
        return group;
    }

    private static IPAddress? ReadAddress(IConfigurationSection section, string key, string expected) =>
        section.Read(key, null, expected) is not { } text ? null
        : LimitSettings.IsWrittenOut(text) && IPAddress.TryParse(text, out var address) ? address
        : throw new PeregrineStartException($"{section.Path}:{key} = \"{text}\" is not {expected}.");
}
