using Peregrine.Features;

namespace Peregrine;

/// <summary>Says which timeout is over, its value, and where it is set.</summary>
internal static class TimeoutExplanation
{
    /// <param name="reason">The timeout.</param>
    /// <param name="limits">What holds.</param>
    /// <param name="overrides">What of it is the connection's own.</param>
    /// <param name="settings">Where the rest is set, up to the name.</param>
    public static string Of(ConnectionCloseReason reason, in TimeoutValues limits, TimeoutOverrides? overrides, string settings) => reason switch
    {
        ConnectionCloseReason.FirstByteTimeout =>
            $"The peer sent no byte within {Time(limits.FirstByte)}: {Setting(nameof(IConnectionTimeoutFeature.FirstByte), overrides?.FirstByte, settings)}.",
        ConnectionCloseReason.HandshakeTimeout =>
            $"The handshake was not done within {Time(limits.Handshake)}: {Setting(nameof(IConnectionTimeoutFeature.Handshake), overrides?.Handshake, settings)}.",
        ConnectionCloseReason.IdleTimeout =>
            $"The peer sent nothing, and acknowledged nothing, for {Time(limits.Idle)}: {Setting(nameof(IConnectionTimeoutFeature.Idle), overrides?.Idle, settings)}.",
        ConnectionCloseReason.WriteTimeout =>
            $"The peer took nothing of what was there for it for {Time(limits.WriteProgress)}: {Setting(nameof(IConnectionTimeoutFeature.WriteProgress), overrides?.WriteProgress, settings)}.",
        _ =>
            $"The peer sent a message at less than {limits.MinReadRateInBytesPerSecond} bytes a second: {Setting(nameof(IConnectionTimeoutFeature.MinReadRateInBytesPerSecond), overrides?.MinReadRateInBytesPerSecond, settings)}.",
    };

    private static TimeSpan Time(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static string Setting(string name, int? ofConnection, string settings) =>
        ofConnection >= 0 ? $"{nameof(IConnectionTimeoutFeature)}.{name}" : settings + name;
}
