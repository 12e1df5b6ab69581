namespace Peregrine.Features;

/// <summary>Tells why a connection ended, and takes the reason from whoever ends it.</summary>
/// <remarks>All members are safe to use from any thread.</remarks>
public interface IConnectionCloseFeature
{
    /// <summary>The reason, or <see cref="ConnectionCloseReason.None"/> while the connection is open.</summary>
    ConnectionCloseReason Reason { get; }

    /// <summary>
    /// Whether the connection was reset by this side before its peer had acknowledged all that was written: a graceful close that ran out of
    /// time. False also where the transport cannot tell.
    /// </summary>
    bool IsUnflushed => false;

    /// <summary>Sets the reason unless one is set already: the first reason wins.</summary>
    /// <param name="reason">Any reason but <see cref="ConnectionCloseReason.None"/>.</param>
    /// <returns><see langword="true"/> if this call set the reason.</returns>
    bool TrySetReason(ConnectionCloseReason reason);
}
