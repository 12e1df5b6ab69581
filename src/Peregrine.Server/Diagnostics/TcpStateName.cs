using System.Net.NetworkInformation;

namespace Peregrine.Server.Diagnostics;

/// <summary>The names of OpenTelemetry's semantic conventions for <c>network.connection.state</c>.</summary>
internal static class TcpStateName
{
    public static string Of(TcpState state) => state switch
    {
        TcpState.Closed => "closed",
        TcpState.Listen => "listen",
        TcpState.SynSent => "syn_sent",
        TcpState.SynReceived => "syn_received",
        TcpState.Established => "established",
        TcpState.FinWait1 => "fin_wait_1",
        TcpState.FinWait2 => "fin_wait_2",
        TcpState.CloseWait => "close_wait",
        TcpState.Closing => "closing",
        TcpState.LastAck => "last_ack",
        TcpState.TimeWait => "time_wait",
        _ => "unknown",
    };
}
