using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tuning;

/// <summary>Logs, once for a transport, what the kernel has granted otherwise than it was asked for: it lowers numbers without an error.</summary>
internal sealed class GrantReport(SocketTransportOptions options, ILogger logger)
{
    // TFO_SERVER_ENABLE (net/tcp.h): without it, the option of the socket is taken and does nothing.
    private const int FastOpenForServers = 2;

    // A buffer is twice what is asked for, since the bookkeeping is inside it (socket(7)).
    private const int Doubled = 2;

    private int _reported;

    /// <param name="socket">It listens, with every option set.</param>
    public void Report(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || Interlocked.Exchange(ref _reported, 1) != 0)
        {
            return;
        }

        ReportIfOther("Backlog", options.Backlog, Math.Min(options.Backlog, Sysctl.Read("net.core.somaxconn") ?? long.MaxValue), "net.core.somaxconn");
        ReportIfOther("Socket.ReceiveBufferSizeInBytes", options.Socket.ReceiveBufferSizeInBytes, socket.ReceiveBufferSize / Doubled, "net.core.rmem_max");
        ReportIfOther("Socket.SendBufferSizeInBytes", options.Socket.SendBufferSizeInBytes, socket.SendBufferSize / Doubled, "net.core.wmem_max");
        if (options.Socket.FastOpenQueueLength > 0)
        {
            ReportFastOpen(options.Socket.FastOpenQueueLength, RawOption.FastOpen.Get(socket));
        }
    }

    private void ReportFastOpen(int asked, int granted)
    {
        ReportIfOther("Socket.FastOpenQueueLength", asked, granted, "net.core.somaxconn");
        if (Sysctl.Read("net.ipv4.tcp_fastopen") is { } setting && (setting & FastOpenForServers) == 0)
        {
            SocketsLog.FastOpenIsOff(logger, asked, setting);
        }
    }

    private void ReportIfOther(string option, int? asked, long granted, string sysctl)
    {
        if (asked is { } number && number != granted)
        {
            SocketsLog.GrantedOtherwise(logger, option, number, granted, sysctl);
        }
    }
}
