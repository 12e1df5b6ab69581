using System.Globalization;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// The datagrams for which a socket's receive buffer had no room, as the kernel counts them: the last column of /proc/net/udp, which tells it of every contestant,
/// whatever that one knows of its socket.
/// </summary>
internal static class KernelDrops
{
    private static readonly string[] Tables = ["/proc/net/udp", "/proc/net/udp6"];

    /// <summary>Of all sockets that are bound to a port.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public static long Of(int port)
    {
        // "  sl  local_address rem_address   st …", then lines as in "  12: 0100007F:1B58 00000000:0000 07 … drops".
        var ending = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        var drops = Tables.Where(File.Exists).SelectMany(File.ReadLines)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns[1].EndsWith(ending, StringComparison.Ordinal))
            .Select(columns => long.Parse(columns[^1], CultureInfo.InvariantCulture)).ToArray();
        return drops.Length > 0 ? drops.Sum() : throw new IOException("The server has closed its socket.");
    }
}
