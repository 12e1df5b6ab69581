namespace Peregrine.Features;

/// <summary>
/// By it a middleware ends a connection for a limit or a rule of its own, so that the server counts and logs it like those of its own: by the reason, each
/// at Debug, and once a minute as a warning. Servers that have no such account, such as Kestrel, do not offer it.
/// </summary>
/// <remarks>Safe to use from any thread.</remarks>
public interface IConnectionRefusalFeature
{
    /// <summary>Resets the connection, and counts it once: a second call does nothing.</summary>
    /// <param name="reason">Its close reason, unless it has one already; any but <see cref="ConnectionCloseReason.None"/>.</param>
    /// <param name="explanation">
    /// Says what was over the limit, and where it is set: a sentence for the log. The connection's reads fail with a <c>ConnectionAbortedException</c> that has it.
    /// </param>
    void Refuse(ConnectionCloseReason reason, string explanation);
}
