namespace Peregrine.Sockets.Connections;

/// <summary>A close that waits for its peer.</summary>
internal interface ILingeringClose
{
    /// <summary>Its place among the others; under their lock.</summary>
    LinkedListNode<ILingeringClose>? Place { get; set; }

    /// <summary>Ends it as at the end of its time.</summary>
    void EndEarly();
}

/// <summary>
/// Bounds how many closes of a transport wait for peers that have everything, so that those which never send their FIN hold little: with one
/// more, the one that has waited longest ends.
/// </summary>
internal sealed class LingeringCloses(int most)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<ILingeringClose> _closes = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _closes.Count;
            }
        }
    }

    public void Add(ILingeringClose close)
    {
        ILingeringClose? oldest = null;
        lock (_lock)
        {
            close.Place = _closes.AddLast(close);
            if (_closes.Count > most)
            {
                oldest = _closes.First!.Value;
                RemoveLocked(oldest);
            }
        }

        oldest?.EndEarly();
    }

    /// <summary>Any number of times.</summary>
    public void Remove(ILingeringClose close)
    {
        lock (_lock)
        {
            RemoveLocked(close);
        }
    }

    private void RemoveLocked(ILingeringClose close)
    {
        if (close.Place is { } place)
        {
            close.Place = null;
            _closes.Remove(place);
        }
    }
}
