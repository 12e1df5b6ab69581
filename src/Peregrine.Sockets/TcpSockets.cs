using System.Net.NetworkInformation;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets;

/// <summary>The TCP sockets of this machine, connections that no process has any more included.</summary>
public static class TcpSockets
{
    // By the numbers of net/tcp_states.h, from 1 on.
    private static readonly TcpState[] s_linuxStates =
    [
        TcpState.Established, TcpState.SynSent, TcpState.SynReceived, TcpState.FinWait1, TcpState.FinWait2, TcpState.TimeWait, TcpState.Closed,
        TcpState.CloseWait, TcpState.LastAck, TcpState.Listen, TcpState.Closing, TcpState.SynReceived,
    ];

    /// <summary>
    /// Counts the sockets of some local ports by their state, in this process's network namespace. On Linux by sock_diag(7), where the kernel
    /// selects them; elsewhere from <see cref="IPGlobalProperties"/>, which copies the whole table. Safe to call from any thread; it makes system
    /// calls, and is meant for measurements at intervals.
    /// </summary>
    /// <param name="ports">Local ports, from 1 to 65535.</param>
    /// <returns>
    /// A count for each of the eleven states of RFC 9293 §3.3.2, zero included; null where the system does not tell, as under a sandbox that
    /// forbids netlink(7).
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">A port is none.</exception>
    public static IReadOnlyDictionary<TcpState, int>? CountByState(IReadOnlyCollection<int> ports)
    {
        ArgumentNullException.ThrowIfNull(ports);
        foreach (var port in ports)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(port, 1, nameof(ports));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(port, ushort.MaxValue, nameof(ports));
        }

        var counts = s_linuxStates.Distinct().ToDictionary(state => state, _ => 0);
        var wanted = ports.ToHashSet();
        return (OperatingSystem.IsLinux() ? TryAskKernel(wanted, counts) : TryAskRuntime(wanted, counts)) ? counts : null;
    }

    /// <summary>The state that Linux has by a number.</summary>
    internal static TcpState StateOf(byte number) => number >= 1 && number <= s_linuxStates.Length ? s_linuxStates[number - 1] : TcpState.Unknown;

    private static bool TryAskKernel(HashSet<int> ports, Dictionary<TcpState, int> counts)
    {
        foreach (var port in ports)
        {
            if (!SocketDiagnostics.TryVisit(port, number =>
                {
                    if (StateOf(number) is not TcpState.Unknown and var state)
                    {
                        counts[state]++;
                    }
                }))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryAskRuntime(HashSet<int> ports, Dictionary<TcpState, int> counts)
    {
        try
        {
            var properties = IPGlobalProperties.GetIPGlobalProperties();
            foreach (var connection in properties.GetActiveTcpConnections())
            {
                if (ports.Contains(connection.LocalEndPoint.Port) && counts.TryGetValue(connection.State, out var count))
                {
                    counts[connection.State] = count + 1;
                }
            }

            // Not among the connections on every system, and then here.
            counts[TcpState.Listen] = properties.GetActiveTcpListeners().Count(listener => ports.Contains(listener.Port));
            return true;
        }
        catch (Exception exception) when (exception is NetworkInformationException or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
