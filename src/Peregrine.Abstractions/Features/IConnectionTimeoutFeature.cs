namespace Peregrine.Features;

/// <summary>
/// The timeouts of one connection. Each is the endpoint's, and follows its changes, until it is set here; from then on it is the connection's own.
/// </summary>
/// <remarks>
/// <para>
/// They are looked at once a second, so that each ends a connection up to a second late: it is reset, with the timeout as its close reason, and
/// its reads fail with a <c>ConnectionAbortedException</c> that names it. Safe to use from any thread.
/// </para>
/// <para>A time is <see cref="TimeSpan.Zero"/>, which is off, or up to 24 days.</para>
/// </remarks>
public interface IConnectionTimeoutFeature
{
    /// <summary>From the accept to the first byte.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is set to a time that is negative or too long.</exception>
    TimeSpan FirstByte { get; set; }

    /// <summary>The time of a handshake, with the wait for its turn (<see cref="IConnectionHandshakeFeature"/>).</summary>
    /// <inheritdoc cref="FirstByte"/>
    TimeSpan Handshake { get; set; }

    /// <summary>How long the peer may send nothing, and acknowledge nothing of what is sent to it, while the application waits for it.</summary>
    /// <inheritdoc cref="FirstByte"/>
    TimeSpan Idle { get; set; }

    /// <summary>How long the peer may take nothing of what is there for it.</summary>
    /// <inheritdoc cref="FirstByte"/>
    TimeSpan WriteProgress { get; set; }

    /// <summary>
    /// How many bytes a second the peer must send, on average, while a message is in progress: the handler has looked at bytes, consumed them not,
    /// and waits for more. 0 is off.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is set to less than 0.</exception>
    int MinReadRateInBytesPerSecond { get; set; }

    /// <summary>How long a message may be in progress before its rate is looked at.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is set to less than a second, or too long a time.</exception>
    TimeSpan MinReadRateGrace { get; set; }
}
