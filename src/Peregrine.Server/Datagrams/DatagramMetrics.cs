using System.Diagnostics;
using System.Diagnostics.Metrics;
using Peregrine.Server.Diagnostics;

namespace Peregrine.Server.Datagrams;

/// <summary>The instruments of datagram endpoints: their counters, observed.</summary>
internal static class DatagramMetrics
{
    private static readonly KeyValuePair<string, object?> s_transport = new("network.transport", "udp");
    private static readonly DatagramDropReason[] s_reasons = Enum.GetValues<DatagramDropReason>();

    /// <param name="meters">Makes the meter.</param>
    /// <param name="endpoints">The endpoints at the time of an observation.</param>
    public static void Add(IMeterFactory meters, Func<IReadOnlyList<DatagramEndpoint>> endpoints)
    {
        var meter = meters.Create(ServerMetrics.MeterName);
        AddCounter("received", "{datagram}", "Datagrams that were received, those included that were dropped later.", static counters => counters.Received);
        AddCounter("received.bytes", "By", "The bytes of their payloads.", static counters => counters.ReceivedBytes);
        AddCounter("sent", "{datagram}", "Datagrams that the kernel took to send.", static counters => counters.Sent);
        AddCounter("sent.bytes", "By", "The bytes of their payloads.", static counters => counters.SentBytes);
        meter.CreateObservableCounter(
            "peregrine.server.datagrams.dropped", () => endpoints().SelectMany(ObserveDrops), "{datagram}",
            "Datagrams that were dropped on this side, received or to send, by the reason.");

        void AddCounter(string name, string unit, string description, Func<DatagramCounters, long> read) => meter.CreateObservableCounter(
            $"peregrine.server.datagrams.{name}",
            () => endpoints().Select(endpoint => new Measurement<long>(read(endpoint.Counters), TagOf(endpoint), s_transport)),
            unit,
            description);
    }

    /// <summary>A reason for which nothing was dropped is not there.</summary>
    private static IEnumerable<Measurement<long>> ObserveDrops(DatagramEndpoint endpoint)
    {
        endpoint.CountKernelDrops();
        foreach (var reason in s_reasons)
        {
            if (endpoint.Counters.GetDropped(reason) is > 0 and var dropped)
            {
                yield return new Measurement<long>(dropped, TagOf(endpoint), s_transport, new("peregrine.drop.reason", NameOf(reason)));
            }
        }
    }

    private static KeyValuePair<string, object?> TagOf(DatagramEndpoint endpoint) => new("peregrine.endpoint", endpoint.Name);

    internal static string NameOf(DatagramDropReason reason) => reason switch
    {
        DatagramDropReason.ReceiveBufferFull => "receive_buffer_full",
        DatagramDropReason.Truncated => "truncated",
        DatagramDropReason.RejectedAddress => "rejected_address",
        DatagramDropReason.HandlerFailed => "handler_failed",
        DatagramDropReason.Stopping => "stopping",
        DatagramDropReason.SendQueueFull => "send_queue_full",
        DatagramDropReason.SendTooLarge => "send_too_large",
        DatagramDropReason.SendUnreachable => "send_unreachable",
        DatagramDropReason.SendRefused => "send_refused",
        DatagramDropReason.SendFailed => "send_failed",
        DatagramDropReason.SessionLimit => "session_limit",
        DatagramDropReason.SessionLimitPerAddress => "session_limit_per_address",
        DatagramDropReason.SessionQueueFull => "session_queue_full",
        DatagramDropReason.SessionRefused => "session_refused",
        DatagramDropReason.SessionEnded => "session_ended",
        DatagramDropReason.AmplificationLimit => "amplification_limit",
        _ => throw new UnreachableException(),
    };
}
