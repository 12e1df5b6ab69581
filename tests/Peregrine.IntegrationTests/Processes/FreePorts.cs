using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>
/// Free ports for programs that cannot be asked which one they got. They are below those that the system gives away (ip_local_port_range, ip(7)), and each
/// is given once: nobody gets it by chance before the program is there, and no client that connects to it is given it for its own, and so
/// connects to itself.
/// </summary>
internal static class FreePorts
{
    private static readonly Lock s_lock = new();
    private static readonly HashSet<int> s_given = [];

    public static int Take(IPAddress address)
    {
        var range = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range");
        var lowest = int.Parse(range.Split('\t')[0], CultureInfo.InvariantCulture);
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
}
