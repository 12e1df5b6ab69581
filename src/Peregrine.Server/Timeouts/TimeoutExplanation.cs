using Peregrine.Features;

namespace Peregrine.Server.Timeouts;

/// <summary>Says which timeout is over, its value, and where it is set.</summary>
internal static class TimeoutExplanation
{
    public static string Of(ConnectionCloseReason reason, in TimeoutValues limits, TimeoutOverrides? overrides, string endpoint) => reason switch
    {
        ConnectionCloseReason.FirstByteTimeout =>
            $"The peer sent no byte within {Time(limits.FirstByte)}: {Setting(nameof(EndpointTimeouts.FirstByte), overrides?.FirstByte, endpoint)}.",
        ConnectionCloseReason.HandshakeTimeout =>
            $"The handshake was not done within {Time(limits.Handshake)}: {Setting(nameof(EndpointTimeouts.Handshake), overrides?.Handshake, endpoint)}.",
        ConnectionCloseReason.IdleTimeout =>
            $"The peer sent nothing, and acknowledged nothing, for {Time(limits.Idle)}: {Setting(nameof(EndpointTimeouts.Idle), overrides?.Idle, endpoint)}.",
        ConnectionCloseReason.WriteTimeout =>
            $"The peer took nothing of what was there for it for {Time(limits.WriteProgress)}: {Setting(nameof(EndpointTimeouts.WriteProgress), overrides?.WriteProgress, endpoint)}.",
        _ =>
            $"The peer sent a message at less than {limits.MinReadRateInBytesPerSecond} bytes a second: {Setting(nameof(EndpointTimeouts.MinReadRateInBytesPerSecond), overrides?.MinReadRateInBytesPerSecond, endpoint)}.",
    };

    private static TimeSpan Time(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static string Setting(string name, int? ofConnection, string endpoint) =>
        ofConnection >= 0 ? $"{nameof(IConnectionTimeoutFeature)}.{name}" : $"Peregrine:Endpoints:{endpoint}:Timeouts:{name}";
}
