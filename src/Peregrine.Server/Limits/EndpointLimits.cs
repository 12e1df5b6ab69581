namespace Peregrine.Server.Limits;

/// <summary>
/// Bounds of an endpoint and of each of its connections, section <c>Peregrine:Endpoints:&lt;name&gt;:Limits</c>. A change of the configuration
/// takes effect at once.
/// </summary>
public sealed class EndpointLimits
{
    /// <summary>
    /// How many connections the endpoint has at most, those that are closing included. Default: as many as the server; at least 1. At the limit
    /// nothing is accepted: clients wait in the kernel's queue.
    /// </summary>
    public int? MaxConnections { get; set; }

    /// <summary>
    /// How many bytes of a connection may be written and not taken by the kernel yet. Default 16,777,216; at least 1. A handler that awaits its
    /// flushes has no more than one of them there; one that does not would fill the memory. The memory of a large <c>WriteAsync</c> is the
    /// application's, and does not count. At the limit, see <see cref="SlowConsumers"/>; who is disconnected has
    /// <c>ConnectionCloseReason.SlowConsumer</c>, and what it writes on is discarded.
    /// </summary>
    public long MaxUnsentBytes { get; set; } = 16 << 20;

    /// <summary>What is done with a peer that takes less than is written, at <see cref="MaxUnsentBytes"/>. Default <see cref="SlowConsumerPolicy.Pause"/>.</summary>
    public SlowConsumerPolicy SlowConsumers { get; set; }

    /// <summary>
    /// How many bytes a second are received from each connection, on average, with a burst of as many. Default: any number; at least 1,024. Beyond
    /// it nothing is read, and the kernel's window slows the peer: nothing is lost. A single receive brings what is there, up to 256 KiB, and is paid for
    /// before the next. Connections that began without a limit have none.
    /// </summary>
    public int? ReadBytesPerSecond { get; set; }
}

/// <summary>What is done with a peer that takes less than is written.</summary>
public enum SlowConsumerPolicy
{
    /// <summary>
    /// Flushes wait for it, as they always do; a handler that writes on without waiting for them, or that writes so much before it flushes, is
    /// disconnected only at twice the limit, since nothing else bounds it. The default.
    /// </summary>
    Pause,

    /// <summary>It is disconnected at the limit: for broadcasts, where nobody waits for a slow one.</summary>
    Disconnect,
}
