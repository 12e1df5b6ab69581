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
        // For all of the stretch with one exchange: those who take it have a hold each.
        var held = Math.Min(Stretch, _receivers.Left);
        if (held == 0)
        {
            return true;
        }

        message.Part.Bytes.Hold(held);
        try
        {
            for (var i = 0; i < Stretch; i++)
            {
                if (!_receivers.MoveNext())
                {
                    return true;
                }

                var receiver = _receivers.Current;
                if (receiver == except)
                {
                    continue;
                }

                // Who fails in the middle may have taken it: a hold too many leaves an array to the collector, one too few gives others' bytes away.
                held--;
                if (!TryPost(receiver))
                {
                    held++;
                }
            }
        }
        finally
        {
            message.Part.Bytes.Release(held);
        }

        return false;
    }

    private bool TryPost(RegisteredConnection receiver)
    {
        var outcome = receiver.Loop.Post(message, dropsOldest: slow == SlowReceiverPolicy.DropOldest, isQueued: true, out var dropped);
        _dropped += dropped;
        if (outcome == PostOutcome.Posted)
        {
            _posted++;
            return true;
        }

        if (outcome == PostOutcome.Slow)
        {
            if (slow != SlowReceiverPolicy.Disconnect)
            {
                _skipped++;
            }
            else if (receiver.Disconnect(Explanation(receiver.Loop.Bound)))
            {
                _disconnected++;
            }
        }

        return false;
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
