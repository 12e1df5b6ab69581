using Peregrine.Features;

namespace Peregrine.Middleware;

/// <summary>
/// The timeouts of <see cref="TimeoutExtensions.UseTimeouts{TBuilder}(TBuilder, Action{ConnectionTimeoutOptions})"/>. What is null is left to the server's settings; where it has
/// none, it is off. Times are from one millisecond to 24 days, or <see cref="TimeSpan.Zero"/>, which is off. They are looked at once a second.
/// </summary>
public sealed class ConnectionTimeoutOptions
{
    /// <summary>To the first byte: from the accept, or, where this middleware keeps the time, from here on. Not for protocols in which the server speaks first. Default null.</summary>
    public TimeSpan? FirstByte { get; set; }

    /// <summary>The time of a handshake behind this middleware (<see cref="IConnectionHandshakeFeature"/>). Default null.</summary>
    public TimeSpan? Handshake { get; set; }

    /// <summary>How long the peer may send nothing, and take nothing of what is sent to it, while it is awaited. Default null.</summary>
    public TimeSpan? Idle { get; set; }

    /// <summary>How long the peer may take nothing of what is there for it. Default null.</summary>
    public TimeSpan? WriteProgress { get; set; }

    /// <summary>
    /// How many bytes a second the peer must send, on average, while a message is in progress: the handler has looked at bytes, consumed them not, and waits
    /// for more. 0 is off. Default null.
    /// </summary>
    public int? MinReadRateInBytesPerSecond { get; set; }

    /// <summary>How long a message may be in progress before its rate is looked at; from one second. Default null: the server's, or 5 seconds.</summary>
    public TimeSpan? MinReadRateGrace { get; set; }
}
