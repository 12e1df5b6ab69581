namespace Peregrine.Middleware;

/// <summary>Handles a session. There is an instance for each session, so that fields are the state of one peer.</summary>
public abstract class DatagramSessionHandler
{
    /// <summary>Runs as long as the session does: on the thread pool, beside those of other sessions, which a slow one does not delay.</summary>
    /// <param name="session">
    /// It ends when the task completes. A handler returns when the enumeration of the session ends: until then the session keeps memory, and may keep others out
    /// (<see cref="DatagramSessionOptions.MaxSessions"/>).
    /// </param>
    /// <returns>An exception ends this session only, and is logged; that of a cancellation after the session's end is expected.</returns>
    public abstract Task OnSessionAsync(DatagramSession session);
}
