namespace Peregrine.Middleware.Sessions;

/// <summary>A datagram that waits in the queue of a session, with the memory for its payload. One owner at a time: a pool, a queue, or a reader.</summary>
internal sealed class QueuedDatagram(int sizeClass, int capacity)
{
    public int SizeClass => sizeClass;

    public byte[] Buffer { get; } = capacity == 0 ? [] : GC.AllocateUninitializedArray<byte>(capacity);

    /// <summary>The next one of the same queue, or of the same stack of a pool.</summary>
    public QueuedDatagram? Next { get; set; }

    /// <summary>Its payload lies in <see cref="Buffer"/>.</summary>
    public Datagram Datagram { get; private set; }

    /// <summary>The bytes that were answered to it before it was queued.</summary>
    public int Answered { get; private set; }

    public void Fill(in Datagram datagram, int answered)
    {
        Answered = answered;
        datagram.Payload.Span.CopyTo(Buffer);
        Datagram = new Datagram(Buffer.AsMemory(0, datagram.Payload.Length), datagram.Path, datagram.Marks, datagram.Timestamp);
    }
}
