namespace Peregrine.Sockets.Connections;

/// <summary>The blocks that were flushed and are not sent yet.</summary>
internal struct SendQueue
{
    private BufferSegment? _tail;

    public BufferSegment? Head { get; private set; }

    public void Append((BufferSegment First, BufferSegment Last) chain)
    {
        if (_tail is null)
        {
            Head = chain.First;
        }
        else
        {
            _tail.Append(chain.First);
        }

        _tail = chain.Last;
    }

    /// <summary>Takes the head off; it is the caller's to return.</summary>
    public BufferSegment Dequeue()
    {
        var head = Head!;
        Head = head.NextSegment;
        _tail = Head is null ? null : _tail;
        return head;
    }

    /// <summary>Takes everything off; it is the caller's to return.</summary>
    public BufferSegment? Clear()
    {
        var head = Head;
        Head = null;
        _tail = null;
        return head;
    }
}
