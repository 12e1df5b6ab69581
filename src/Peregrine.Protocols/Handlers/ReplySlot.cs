using System.IO.Pipelines;

namespace Peregrine.Protocols.Handlers;

/// <summary>The place of one message in the order of the answers. What it has is under the lock of the order.</summary>
internal sealed class ReplySlot(ReplyOrder order, bool holdsPlace)
{
    /// <summary>It is one of those that may be there at once, until it leaves: one that is done and waits for its turn is kept as well.</summary>
    public bool HoldsPlace => holdsPlace;

    /// <summary>It writes to the output, and not to what is kept.</summary>
    public bool IsFirst { get; set; }

    /// <summary>Its handler is done.</summary>
    public bool IsDone { get; set; }

    /// <summary>Nothing goes out behind it.</summary>
    public bool IsLast { get; private set; }

    /// <summary>What was kept came behind the last.</summary>
    public bool IsDropped { get; set; }

    /// <summary>What is written before it is the first; null if nothing is.</summary>
    public PendingBytes? Kept { get; set; }

    /// <summary>Complete when it is the first; null if nobody waits for that.</summary>
    public TaskCompletionSource? Turn { get; set; }

    /// <summary>Its handler says so, before it is done.</summary>
    public void MakeLast() => IsLast = true;

    public ValueTask<FlushResult> WriteAsync<TMessage>(TMessage message, IMessageWriter<TMessage> format, CancellationToken cancellationToken)
        where TMessage : allows ref struct
    {
        var scratch = MessageWriter.RentScratch();
        try
        {
            format.Write(message, scratch);
            return order.TryAdd(this, scratch, out var pending) ? order.FlushAsync(this, pending, cancellationToken) : order.DroppedAsync();
        }
        finally
        {
            MessageWriter.ReturnScratch(scratch);
        }
    }
}
