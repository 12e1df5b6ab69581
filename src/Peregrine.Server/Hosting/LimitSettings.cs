using System.Net;
using Microsoft.Extensions.Configuration;
using Peregrine.Middleware;
using Peregrine.Server.Limits;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the sections of limits, timeouts and addresses over what code says, and checks their ranges.</summary>
internal static class LimitSettings
{
    private const string Count = "a number from 1";
    private const string Time = "a time from 00:00:00.001 to 24.00:00:00, or 00:00:00, which is off";
    private const string Grace = "a time from 00:00:01 to 24.00:00:00";
    private const string BufferedBytes = "a number of bytes from 1048576";
    private const string UnsentBytes = "a number of bytes from 1; the default is 16777216";
    private const string ReadRate = "a number of bytes a second from 1024";
    private const string MinReadRate = "a number of bytes a second from 0, which is off";
    private const string Policy = "Pause or Disconnect";
    private const string Networks = "a network such as 10.0.0.0/8 or 2001:db8::/32, without bits behind its prefix, or an address";
    private const int SmallestReadRate = 1024;
    private const int SmallestBufferedBytes = 1 << 20;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    /// <exception cref="PeregrineStartException">A key is unknown, or a value is not of its kind or out of its range.</exception>
    public static void Read(IConfigurationSection? section, ServerLimits limits)
    {
        if (section is not null)
        {
            section.CheckKeys(
                "the limits", nameof(limits.MaxConnections), nameof(limits.MaxConnectionsPerAddress), nameof(limits.ConnectionsPerSecondPerAddress),
                nameof(limits.ExemptNetworks), nameof(limits.AcceptsPerSecond), nameof(limits.MaxHandshakes), nameof(limits.MaxBufferedBytes));
            limits.MaxConnections = Number(section, nameof(limits.MaxConnections), limits.MaxConnections, Count);
            limits.MaxConnectionsPerAddress = Number(section, nameof(limits.MaxConnectionsPerAddress), limits.MaxConnectionsPerAddress, Count);
            limits.ConnectionsPerSecondPerAddress = Number(section, nameof(limits.ConnectionsPerSecondPerAddress), limits.ConnectionsPerSecondPerAddress, Count);
            limits.AcceptsPerSecond = Number(section, nameof(limits.AcceptsPerSecond), limits.AcceptsPerSecond, Count);
            limits.MaxHandshakes = section.Read(nameof(limits.MaxHandshakes), limits.MaxHandshakes, StrictSection.ParseNumber, Count);
            limits.MaxBufferedBytes = section.ReadOptional(nameof(limits.MaxBufferedBytes), limits.MaxBufferedBytes, StrictSection.ParseLong, BufferedBytes);
            ReadNetworks(section.GetSection(nameof(limits.ExemptNetworks)), limits.ExemptNetworks);
        }

        const string Path = $"{ServerSettings.Root}:Limits";
        Check(Path, nameof(limits.MaxConnections), limits.MaxConnections, limits.MaxConnections is not < 1, Count);
        Check(Path, nameof(limits.MaxConnectionsPerAddress), limits.MaxConnectionsPerAddress, limits.MaxConnectionsPerAddress is not < 1, Count);
        Check(Path, nameof(limits.ConnectionsPerSecondPerAddress), limits.ConnectionsPerSecondPerAddress, limits.ConnectionsPerSecondPerAddress is not < 1, Count);
        Check(Path, nameof(limits.AcceptsPerSecond), limits.AcceptsPerSecond, limits.AcceptsPerSecond is not < 1, Count);
        Check(Path, nameof(limits.MaxHandshakes), limits.MaxHandshakes, limits.MaxHandshakes >= 1, Count);
        Check(Path, nameof(limits.MaxBufferedBytes), limits.MaxBufferedBytes, limits.MaxBufferedBytes is not < SmallestBufferedBytes, BufferedBytes);
    }

    /// <param name="section">The endpoint's limits.</param>
    /// <param name="limits">What code says.</param>
    /// <param name="path">Where the endpoint is set.</param>
    /// <exception cref="PeregrineStartException">As above.</exception>
    public static void Read(IConfigurationSection? section, EndpointLimits limits, string path)
    {
        if (section is not null)
        {
            section.CheckKeys(
                "the limits of an endpoint", nameof(limits.MaxConnections), nameof(limits.MaxUnsentBytes), nameof(limits.SlowConsumers),
                nameof(limits.ReadBytesPerSecond));
            limits.MaxConnections = Number(section, nameof(limits.MaxConnections), limits.MaxConnections, Count);
            limits.MaxUnsentBytes = section.Read(nameof(limits.MaxUnsentBytes), limits.MaxUnsentBytes, StrictSection.ParseLong, UnsentBytes);
            limits.SlowConsumers = section.Read(nameof(limits.SlowConsumers), limits.SlowConsumers, StrictSection.ParseName<SlowConsumerPolicy>, Policy);
            limits.ReadBytesPerSecond = Number(section, nameof(limits.ReadBytesPerSecond), limits.ReadBytesPerSecond, ReadRate);
        }

        path += ":Limits";
        Check(path, nameof(limits.MaxConnections), limits.MaxConnections, limits.MaxConnections is not < 1, Count);
        Check(path, nameof(limits.MaxUnsentBytes), limits.MaxUnsentBytes, limits.MaxUnsentBytes >= 1, UnsentBytes);
        Check(path, nameof(limits.SlowConsumers), limits.SlowConsumers, Enum.IsDefined(limits.SlowConsumers), Policy);
        Check(path, nameof(limits.ReadBytesPerSecond), limits.ReadBytesPerSecond, limits.ReadBytesPerSecond is not < SmallestReadRate, ReadRate);
    }

    /// <exception cref="PeregrineStartException">As above.</exception>
    public static void Read(IConfigurationSection? section, EndpointTimeouts timeouts, string path)
    {
        if (section is not null)
        {
            section.CheckKeys(
                "the timeouts", nameof(timeouts.FirstByte), nameof(timeouts.Handshake), nameof(timeouts.Idle), nameof(timeouts.WriteProgress),
                nameof(timeouts.MinReadRateInBytesPerSecond), nameof(timeouts.MinReadRateGrace));
            timeouts.FirstByte = section.Read(nameof(timeouts.FirstByte), timeouts.FirstByte, StrictSection.ParseTime, Time);
            timeouts.Handshake = section.Read(nameof(timeouts.Handshake), timeouts.Handshake, StrictSection.ParseTime, Time);
            timeouts.Idle = section.Read(nameof(timeouts.Idle), timeouts.Idle, StrictSection.ParseTime, Time);
            timeouts.WriteProgress = section.Read(nameof(timeouts.WriteProgress), timeouts.WriteProgress, StrictSection.ParseTime, Time);
            timeouts.MinReadRateInBytesPerSecond =
                section.Read(nameof(timeouts.MinReadRateInBytesPerSecond), timeouts.MinReadRateInBytesPerSecond, StrictSection.ParseNumber, MinReadRate);
            timeouts.MinReadRateGrace = section.Read(nameof(timeouts.MinReadRateGrace), timeouts.MinReadRateGrace, StrictSection.ParseTime, Grace);
        }

        path += ":Timeouts";
        Check(path, nameof(timeouts.FirstByte), timeouts.FirstByte, IsTime(timeouts.FirstByte), Time);
        Check(path, nameof(timeouts.Handshake), timeouts.Handshake, IsTime(timeouts.Handshake), Time);
        Check(path, nameof(timeouts.Idle), timeouts.Idle, IsTime(timeouts.Idle), Time);
        Check(path, nameof(timeouts.WriteProgress), timeouts.WriteProgress, IsTime(timeouts.WriteProgress), Time);
        Check(path, nameof(timeouts.MinReadRateInBytesPerSecond), timeouts.MinReadRateInBytesPerSecond, timeouts.MinReadRateInBytesPerSecond >= 0, MinReadRate);
        Check(
            path, nameof(timeouts.MinReadRateGrace), timeouts.MinReadRateGrace,
            timeouts.MinReadRateGrace >= TimeSpan.FromSeconds(1) && timeouts.MinReadRateGrace <= Longest, Grace);
    }

    /// <exception cref="PeregrineStartException">As above.</exception>
    public static void Read(IConfigurationSection? section, AddressRules rules)
    {
        if (section is not null)
        {
            section.CheckKeys("the addresses", nameof(rules.Allow), nameof(rules.Deny));
            ReadNetworks(section.GetSection(nameof(rules.Allow)), rules.Allow);
            ReadNetworks(section.GetSection(nameof(rules.Deny)), rules.Deny);
        }
    }

    /// <summary>A list in the configuration replaces that of code.</summary>
    public static void ReadNetworks(IConfigurationSection section, IList<IPNetwork> networks)
    {
        if (!section.Exists())
        {
            return;
        }

        networks.Clear();
        section.CheckIsSection();
        foreach (var item in section.GetChildren())
        {
            networks.Add(ParseNetwork(item.Value) ?? throw new PeregrineStartException($"{item.Path} = \"{item.Value}\" is not {Networks}."));
        }
    }

    /// <remarks>
    /// 10.0.0.1/8 is refused, which the runtime takes for 10.0.0.0/8: it may be meant as one address, or as the whole network. So are the short forms of
    /// inet_aton(3): 10 would be 0.0.0.10, and 10.1 would be 10.0.0.1.
    /// </remarks>
    private static IPNetwork? ParseNetwork(string? text) =>
        text is null || !(text.Contains(':', StringComparison.Ordinal) || text.Count(static character => character == '.') == 3) ? null
        : IPNetwork.TryParse(text, out var network)
            ? IPAddress.Parse(text.AsSpan(0, text.IndexOf('/', StringComparison.Ordinal))).Equals(network.BaseAddress) ? network : null
        : IPAddress.TryParse(text, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;

    private static int? Number(IConfigurationSection section, string key, int? fallback, string expected) =>
        section.ReadOptional(key, fallback, StrictSection.ParseNumber, expected);

    private static bool IsTime(TimeSpan time) => time == TimeSpan.Zero || (time >= TimeSpan.FromMilliseconds(1) && time <= Longest);

    private static void Check(string path, string option, object? value, bool isAccepted, string accepted)
    {
        if (!isAccepted)
        {
            throw new PeregrineStartException($"{path}:{option} = \"{value}\": it takes {accepted}.");
        }
    }
}
