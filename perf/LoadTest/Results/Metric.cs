using System.Globalization;

namespace Peregrine.LoadTest.Results;

/// <summary>One kind of number.</summary>
/// <param name="Key">Its name in the CSV file.</param>
/// <param name="Title">Its name in the tables.</param>
/// <param name="Format">As for <see cref="double.ToString(string)"/>.</param>
/// <param name="IsCompared">Whether its ratio to other contestants is of interest.</param>
internal sealed record Metric(string Key, string Title, string Format, bool IsCompared = false)
{
    public const string Missing = "n/a";

    public static readonly Metric MessagesPerSecond = new("messages_per_second", "messages/s", "N0", IsCompared: true);
    public static readonly Metric ConnectionsPerSecond = new("connections_per_second", "connections/s", "N0", IsCompared: true);
    public static readonly Metric DeliveriesPerSecond = new("deliveries_per_second", "deliveries/s", "N0", IsCompared: true);
    public static readonly Metric DatagramsPerSecond = new("datagrams_per_second", "datagrams/s", "N0", IsCompared: true);
    public static readonly Metric ReceivedPerSecond = new("received_per_second", "received/s", "N0", IsCompared: true);
    public static readonly Metric MegabytesPerSecond = new("megabytes_per_second", "MB/s", "N0");
    public static readonly Metric MebibytesPerSecond = new("mebibytes_per_second", "MiB/s", "N0", IsCompared: true);
    public static readonly Metric P50 = new("p50_microseconds", "p50 µs", "N0");
    public static readonly Metric P99 = new("p99_microseconds", "p99 µs", "N0");
    public static readonly Metric P999 = new("p999_microseconds", "p99.9 µs", "N0");
    public static readonly Metric CpuPerMessage = new("cpu_microseconds_per_message", "server CPU µs/message", "0.00", IsCompared: true);
    public static readonly Metric CpuPerConnection = new("cpu_microseconds_per_connection", "server CPU µs/connection", "0.0", IsCompared: true);
    public static readonly Metric CpuPerDatagram = new("cpu_microseconds_per_datagram", "server CPU µs/datagram", "0.00", IsCompared: true);
    public static readonly Metric CpuPerDelivery = new("cpu_microseconds_per_delivery", "server CPU µs/delivery", "0.00", IsCompared: true);
    public static readonly Metric CpuPerMebibyte = new("cpu_microseconds_per_mebibyte", "server CPU µs/MiB", "0", IsCompared: true);
    public static readonly Metric ServerCore = new("server_core_percent", "server core %", "0");
    public static readonly Metric ClientCore = new("client_core_percent", "client core %", "0");
    public static readonly Metric KibibytesPerConnection = new("rss_kibibytes_per_connection", "RSS KiB/connection", "0.00", IsCompared: true);
    public static readonly Metric IdleCpu = new("idle_cpu_percent", "idle CPU %", "0.00", IsCompared: true);
    public static readonly Metric BytesPerMessage = new("allocated_bytes_per_message", "allocated bytes/message", "0.##");

    public static readonly Metric Truncated = new("truncated_percent", "% truncated", "0.00");
    public static readonly Metric Resumed = new("resumed_percent", "% resumed", "0.0");
    public static readonly Metric Lost = new("lost_percent", "% lost", "0.000");
    public static readonly Metric Reset = new("reset_percent", "% reset", "0.00");

    public string Show(double? value) => value?.ToString(Format, CultureInfo.InvariantCulture) ?? Missing;
}
