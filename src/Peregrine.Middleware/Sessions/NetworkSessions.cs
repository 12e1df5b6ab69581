namespace Peregrine.Middleware.Sessions;

/// <summary>The sessions of an address or a network: how many there are, and those whose peers are not validated, in the order of their age. For use under the table's lock.</summary>
internal struct NetworkSessions
{
    private DatagramSession? _newest;

    public int Count { get; set; }

    public DatagramSession? OldestUnvalidated { get; private set; }

    public void AddUnvalidated(DatagramSession session)
    {
        session.OlderOfNetwork = _newest;
        if (_newest is null)
        {
            OldestUnvalidated = session;
        }
        else
        {
            _newest.NewerOfNetwork = session;
        }

        _newest = session;
    }

    public void RemoveUnvalidated(DatagramSession session)
    {
        var (older, newer) = (session.OlderOfNetwork, session.NewerOfNetwork);
        if (older is null)
        {
            OldestUnvalidated = newer;
        }
        else
        {
            older.NewerOfNetwork = newer;
        }

        if (newer is null)
        {
            _newest = older;
        }
        else
        {
            newer.OlderOfNetwork = older;
        }

        session.OlderOfNetwork = session.NewerOfNetwork = null;
    }
}
