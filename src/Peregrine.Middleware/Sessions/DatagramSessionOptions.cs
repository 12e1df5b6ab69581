using Peregrine.Middleware.Sessions;

namespace Peregrine.Middleware;

/// <summary>The options of <see cref="DatagramSessionExtensions.UseSessions(IDatagramBuilder, Action{DatagramSessionOptions}, Func{DatagramSession, Task})"/>.</summary>
public sealed class DatagramSessionOptions
{
    private static readonly TimeSpan s_shortestIdleTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestIdleTimeout = TimeSpan.FromDays(24);

    /// <summary>
    /// The most sessions at a time. Default 10,000; from 1. At the limit a newcomer takes the place of the oldest session whose peer is not validated; if all are validated it is
    /// dropped, and counted (<see cref="DatagramDropReason.SessionLimit"/>). Sessions that have ended, and whose handlers have not returned, count apart: as many again, beyond
    /// which newcomers are dropped for the same reason. A quarter of these is for newcomers that are validated only, so that a flood of forged ones does not keep them out.
    /// </summary>
    public int MaxSessions { get; set; } = 10_000;

    /// <summary>
    /// The most sessions at a time of an IPv4 address, or of an IPv6 network of 64 bits. Default 100; from 1. At the limit a newcomer that is validated takes the place of the address's
    /// oldest session that is not, which may be forged; any other is dropped, and counted (<see cref="DatagramDropReason.SessionLimitPerAddress"/>). Many peers behind one address
    /// translation need more.
    /// </summary>
    public int MaxSessionsPerAddress { get; set; } = 100;

    /// <summary>
    /// How long the peer may send nothing. Default 30 seconds; from 1 second to 24 days. What is sent to it does not count. It is looked at once a second.
    /// </summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The most datagrams that wait for the handler of a session. Default 64; from 1. At the limit <see cref="DropPolicy"/> applies.</summary>
    public int QueueLength { get; set; } = 64;

    /// <summary>
    /// The most memory for what waits in the queue of one session, in bytes. Default 262,144; from 65,728, which the largest datagram takes. A datagram takes its payload, rounded up to
    /// a power of two from 64, and 192 bytes. At the limit <see cref="DropPolicy"/> applies.
    /// </summary>
    public int MaxQueuedBytesPerSession { get; set; } = 256 * 1024;

    /// <summary>
    /// The most memory for what waits in the queues of all sessions, in bytes, counted as for one; free memory that is kept for the next datagrams is in it. Default 67,108,864; from
    /// <see cref="MaxQueuedBytesPerSession"/>. At the limit <see cref="DropPolicy"/> applies, to the queue of the session that the datagram is for.
    /// </summary>
    public long MaxQueuedBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>What is dropped when a queue is full, and counted (<see cref="DatagramDropReason.SessionQueueFull"/>). Default <see cref="DatagramDropPolicy.DropOldest"/>.</summary>
    public DatagramDropPolicy DropPolicy { get; set; }

    /// <summary>
    /// Finds the identifier of the session in a datagram, such as a connection id. Default <see langword="null"/>: the session is that of the remote address and port.
    /// </summary>
    /// <remarks>
    /// With identifiers, datagrams of a session may come from any address. They are handed out, each with the path it came by, but the session sends to the address it began with
    /// until the application moves it (<see cref="DatagramSession.TryMoveTo"/>).
    /// </remarks>
    public DatagramSessionKeySelector? KeySelector { get; set; }

    /// <summary>
    /// Asked about each datagram that belongs to no session, before anything is allocated for it. Default <see langword="null"/>: each begins a session of a peer that is not validated.
    /// What it throws is logged, and refuses the datagram.
    /// </summary>
    public DatagramSessionAdmitter? Admit { get; set; }

    internal QueueLimits QueueLimits => new(QueueLength, MaxQueuedBytesPerSession, DropPolicy);

    /// <exception cref="InvalidOperationException">An option is out of its range.</exception>
    internal void Check()
    {
        Check(nameof(MaxSessions), MaxSessions, MaxSessions >= 1, "a number from 1; the default is 10000");
        Check(nameof(MaxSessionsPerAddress), MaxSessionsPerAddress, MaxSessionsPerAddress >= 1, "a number from 1; the default is 100");
        Check(
            nameof(IdleTimeout), IdleTimeout, IdleTimeout >= s_shortestIdleTimeout && IdleTimeout <= s_longestIdleTimeout,
            $"a time from {s_shortestIdleTimeout} to {s_longestIdleTimeout}; the default is 00:00:30");
        Check(nameof(QueueLength), QueueLength, QueueLength >= 1, "a number from 1; the default is 64");
        Check(
            nameof(MaxQueuedBytesPerSession), MaxQueuedBytesPerSession, MaxQueuedBytesPerSession >= DatagramPool.LargestCost,
            $"a number of bytes from {DatagramPool.LargestCost}, which the largest datagram takes; the default is 262144");
        Check(
            nameof(MaxQueuedBytes), MaxQueuedBytes, MaxQueuedBytes >= MaxQueuedBytesPerSession,
            $"a number of bytes from {nameof(MaxQueuedBytesPerSession)}, which is {MaxQueuedBytesPerSession}; the default is 67108864");
        Check(
            nameof(DropPolicy), DropPolicy, DropPolicy is DatagramDropPolicy.DropOldest or DatagramDropPolicy.DropNewest,
            $"{nameof(DatagramDropPolicy.DropOldest)}, the default, or {nameof(DatagramDropPolicy.DropNewest)}");
    }

    private static void Check(string name, object value, bool isAccepted, string accepted)
    {
        if (!isAccepted)
        {
            throw new InvalidOperationException($"UseSessions: {name} = {value} is not {accepted}.");
        }
    }
}

/// <summary>What is dropped when the queue of a session is full.</summary>
public enum DatagramDropPolicy
{
    /// <summary>What has waited longest: for peers whose newest datagram makes older ones worthless, such as positions.</summary>
    DropOldest = 0,

    /// <summary>What has just come: for peers that send again what is not acknowledged.</summary>
    DropNewest,
}

/// <summary>Finds the identifier of the session that a datagram belongs to.</summary>
/// <param name="datagram">The datagram. Hostile: look at its length first.</param>
/// <returns>
/// From 1 to 20 bytes, usually a part of the payload. The datagram is refused, and counted (<see cref="DatagramDropReason.SessionRefused"/>), where they are none or more, or if it throws an
/// exception, which is slow, and logged.
/// </returns>
/// <remarks>Called for every datagram, from every receive loop of the endpoint, at the same time.</remarks>
public delegate ReadOnlySpan<byte> DatagramSessionKeySelector(in Datagram datagram);
