namespace Peregrine;

/// <summary>The timeouts that hold for a connection now, in milliseconds (the longest, 24 days, is one of 31 bits). Zero is off.</summary>
internal readonly record struct TimeoutValues(
    int FirstByte, int Handshake, int Idle, int WriteProgress, int MinReadRateInBytesPerSecond, int MinReadRateGrace)
{
    /// <summary>Rounded up: a timeout that is set is not off, and ends nothing early.</summary>
    public static int Milliseconds(TimeSpan time) => (int)Math.Ceiling(time.TotalMilliseconds);
}

/// <summary>What <c>IConnectionTimeoutFeature</c> has set for one connection.</summary>
internal sealed class TimeoutOverrides
{
    private const int NotSet = -1;

    // Set by the application, read by the heartbeat: each is whole by itself.
    public volatile int FirstByte = NotSet;
    public volatile int Handshake = NotSet;
    public volatile int Idle = NotSet;
    public volatile int WriteProgress = NotSet;
    public volatile int MinReadRateInBytesPerSecond = NotSet;
    public volatile int MinReadRateGrace = NotSet;

    public TimeoutValues Over(in TimeoutValues endpoint) => new(
        Either(FirstByte, endpoint.FirstByte),
        Either(Handshake, endpoint.Handshake),
        Either(Idle, endpoint.Idle),
        Either(WriteProgress, endpoint.WriteProgress),
        Either(MinReadRateInBytesPerSecond, endpoint.MinReadRateInBytesPerSecond),
        Either(MinReadRateGrace, endpoint.MinReadRateGrace));

    private static int Either(int set, int otherwise) => set == NotSet ? otherwise : set;
}
