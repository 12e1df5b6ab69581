using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Peregrine;

/// <summary>
/// Free ports, for what is bound a second time, or by a program that cannot be asked which one it got. They are below those that the system gives away
/// (ip_local_port_range, ip(7)), and each is given once: nobody gets it by chance meanwhile, and no client that connects to it is given it for its own,
/// and so connects to itself.
/// </summary>
internal static class FreePorts
{
    private static readonly Lock s_lock = new();
    private static readonly HashSet<int> s_given = [];

    public static int Take(IPAddress address)
    {
        var lowest = LowestOfTheSystem();
        for (var attempt = 0; ; attempt++)
        {
            var port = Random.Shared.Next(lowest / 2, lowest);
            try
            {
                using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                if (address.Equals(IPAddress.IPv6Any))
                {
                    socket.DualMode = true;
                }

                socket.Bind(new IPEndPoint(address, port));
                lock (s_lock)
                {
                    if (s_given.Add(port))
                    {
                        return port;
                    }
                }
            }
            catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressAlreadyInUse && attempt < 100)
            {
                // Somebody has it.
            }
        }
    }

    // Elsewhere than on Linux, RFC 6335, section 6.
    private static int LowestOfTheSystem() => OperatingSystem.IsLinux()
        ? int.Parse(File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split('\t')[0], CultureInfo.InvariantCulture)
        : 49152;
}
