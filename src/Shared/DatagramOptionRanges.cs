using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Peregrine;

/// <summary>What the options of a datagram endpoint and of the datagram transport take: one list for both.</summary>
internal static class DatagramOptionRanges
{
    public const string Listeners = OptionRanges.Listeners;
    public const string BatchSize = "a number from 1 to 1024; the default is 64";
    public const string MaxDatagramSize = "a number of bytes from 1 to 65535, which is the default";
    public const string MaxQueuedBytes = "a number of bytes from 65536 to 1073741824; the default is 1048576";
    public const string MaxQueuedDatagrams = "a number from 1 to 1048576; the default is 4096";
    public const string ReceiveBufferSize = "a number of bytes from 1 to 1073741823; the default is 4194304";
    public const string TimeToLive = "a number from 1 to 255; not set, the system's is used";
    public const string MulticastTimeToLive = "a number from 0, the own machine, to 255; the default is 1";
    public const string GroupAddress = "an address of 224.0.0.0/4 or ff00::/8";
    public const string GroupSource = "the address of a single host, of the family of the group";
    public const string Interface = "the name of a network interface, or an IP address of it";

    private const int MostOfAPort = 1024;
    private const int MostInABatch = 1024;

    // The length field of a UDP header (RFC 768).
    private const int LargestDatagram = ushort.MaxValue;

    // Room for the largest datagram, always.
    private const int LeastQueuedBytes = 64 * 1024;
    private const int MostQueuedBytes = 1 << 30;
    private const int MostQueuedDatagrams = 1 << 20;

    // The kernel doubles what it is given (socket(7)).
    private const int LargestBufferSize = int.MaxValue / 2;

    // IFNAMSIZ (netdevice(7)) without the terminating zero.
    private const int LongestDevice = 15;

    public static IEnumerable<OptionOutOfRange> Check(
        int listeners, int batchSize, int maxDatagramSizeInBytes, int maxQueuedBytes, int maxQueuedDatagrams, DatagramSocketOptions socket)
    {
        IEnumerable<OptionOutOfRange?> checks =
        [
            Check(nameof(Listeners), listeners, listeners is >= 1 and <= MostOfAPort, Listeners),
            Check(nameof(BatchSize), batchSize, batchSize is >= 1 and <= MostInABatch, BatchSize),
            Check("MaxDatagramSizeInBytes", maxDatagramSizeInBytes, maxDatagramSizeInBytes is >= 1 and <= LargestDatagram, MaxDatagramSize),
            Check(nameof(MaxQueuedBytes), maxQueuedBytes, maxQueuedBytes is >= LeastQueuedBytes and <= MostQueuedBytes, MaxQueuedBytes),
            Check(nameof(MaxQueuedDatagrams), maxQueuedDatagrams, maxQueuedDatagrams is >= 1 and <= MostQueuedDatagrams, MaxQueuedDatagrams),
            .. CheckSocket(socket),
        ];
        return checks.OfType<OptionOutOfRange>();
    }

    private static IEnumerable<OptionOutOfRange?> CheckSocket(DatagramSocketOptions socket)
    {
        yield return Check(
            "Socket.ReceiveBufferSizeInBytes", socket.ReceiveBufferSizeInBytes, socket.ReceiveBufferSizeInBytes is >= 1 and <= LargestBufferSize, ReceiveBufferSize);
        yield return CheckNumber("Socket.SendBufferSizeInBytes", socket.SendBufferSizeInBytes, 1, LargestBufferSize, OptionRanges.BufferSize);
        yield return CheckNumber("Socket.Dscp", socket.Dscp, 0, 63, OptionRanges.Dscp);
        yield return CheckNumber("Socket.TimeToLive", socket.TimeToLive, 1, 255, TimeToLive);
        yield return CheckText("Socket.Device", socket.Device, IsDevice, OptionRanges.Device);
        var multicast = socket.Multicast;
        yield return CheckNumber("Socket.Multicast.TimeToLive", multicast.TimeToLive, 0, 255, MulticastTimeToLive);
        yield return CheckText("Socket.Multicast.Interface", multicast.Interface, static name => name.Length > 0, Interface);
        for (var i = 0; i < multicast.Groups.Count; i++)
        {
            var group = multicast.Groups[i];
            var path = $"Socket.Multicast.Groups[{i}]";
            yield return Check($"{path}.Address", group.Address?.ToString() ?? "", group.Address is { } address && IsMulticast(address), GroupAddress);
            yield return group.Source is null
                ? null
                : Check($"{path}.Source", group.Source, group.Source.AddressFamily == group.Address?.AddressFamily && !IsMulticast(group.Source), GroupSource);
            yield return CheckText($"{path}.Interface", group.Interface, static name => name.Length > 0, Interface);
        }
    }

    private static OptionOutOfRange? CheckNumber(string option, int? value, int least, int most, string accepted) =>
        value is { } number ? Check(option, number, number >= least && number <= most, accepted) : null;

    private static OptionOutOfRange? CheckText(string option, string? value, Func<string, bool> isAccepted, string accepted) =>
        value is null ? null : Check(option, value, isAccepted(value), accepted);

    private static OptionOutOfRange? Check(string option, object value, bool isAccepted, string accepted) =>
        isAccepted ? null : new OptionOutOfRange(option, value, accepted);

    // RFC 5771, RFC 4291 §2.7
    private static bool IsMulticast(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetwork ? address.GetAddressBytes()[0] is >= 224 and <= 239 : address.IsIPv6Multicast;

    private static bool IsDevice(string name) => name.Length > 0 && !name.Contains('\0') && Encoding.UTF8.GetByteCount(name) <= LongestDevice;
}
