using System.Runtime.CompilerServices;

namespace Peregrine.Protocols.Registry;

/// <summary>One message on its way to the writers of many.</summary>
internal struct Broadcast(ConnectionSet.Enumerator receivers, EncodedMessage message, SlowReceiverPolicy slow, RegisteredConnection? except, bool ownsMessage)
{
    // Half a millisecond or so, in which the thread, maybe an event loop, does nothing else. The sends, a hundred times as much, are not its own.
    private const int Stretch = 4096;

    private ConnectionSet.Enumerator _receivers = receivers;
    private int _posted;
    private int _skipped;
    private int _dropped;
    private int _disconnected;

    private readonly BroadcastResult Result => new(_posted, _skipped, _dropped, _disconnected);

    public ValueTask<BroadcastResult> RunAsync(CancellationToken cancellationToken)
    {
        var isOver = true;
        try
        {
            isOver = TryFinish();
            return isOver ? new ValueTask<BroadcastResult>(Result) : GoOnAsync(this, cancellationToken);
        }
        finally
        {
            if (isOver)
            {
                End();
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<BroadcastResult> GoOnAsync(Broadcast broadcast, CancellationToken cancellationToken)
    {
        try
        {
            do
            {
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                cancellationToken.ThrowIfCancellationRequested();
            }
            while (!broadcast.TryFinish());
            return broadcast.Result;
        }
        finally
        {
            broadcast.End();
        }
    }

    /// <summary>False if there are more.</summary>
    private bool TryFinish()
    {
        for (var i = 0; i < Stretch; i++)
        {
            if (!_receivers.MoveNext())
            {
                return true;
            }

            if (_receivers.Current != except)
            {
                Post(_receivers.Current);
            }
        }

        return false;
    }

    private void Post(RegisteredConnection receiver)
    {
        var outcome = receiver.Writer.PostQueued(message, dropsOldest: slow == SlowReceiverPolicy.DropOldest, out var dropped);
        _dropped += dropped;
        if (outcome == PostOutcome.Posted)
        {
            _posted++;
        }
        else if (outcome == PostOutcome.Slow)
        {
            if (slow != SlowReceiverPolicy.Disconnect)
            {
                _skipped++;
            }
            else if (receiver.Disconnect(Explanation(receiver.Writer.Bound)))
            {
                _disconnected++;
            }
        }
    }

    private readonly void End()
    {
        if (ownsMessage)
        {
            message.Dispose();
        }
    }

    private static string Explanation(PendingBound bound) =>
        $"The peer reads slower than is broadcast to it: what is pending would be more than {bound.Bytes} bytes or {bound.Messages} messages (maxPendingBytes of its {nameof(MessageWriter)}).";
}
