namespace Peregrine.Testing;

/// <summary>Gives what is sent to its receiver at once, and queues while the transport is congested.</summary>
internal sealed class InMemoryDatagramSender(InMemoryDatagramTransport transport, DatagramAddress bound, int queueLength) : DatagramSender
{
    private const int LongestPayload = 65_507; // Of UDP over IPv4: 65,535 less 20 for IPv4 and 8 for UDP.

    private readonly Lock _lock = new();

    // Under the lock.
    private readonly Queue<(byte[] Payload, DatagramPath Path, DatagramMarks Marks)> _queue = new();
    private TaskCompletionSource? _emptied;
    private bool _isClosed;

    /// <summary>Where it is counted.</summary>
    public DatagramCounters Counters { get; set; } = new();

    public override int MaxPayloadSizeInBytes => LongestPayload;

    public override bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default)
    {
        Check(payload.Length, marks);
        lock (_lock)
        {
            if (TrySendLocked(payload, path, marks))
            {
                return true;
            }
        }

        Counters.AddDropped(DatagramDropReason.SendQueueFull);
        return false;
    }

    public override async ValueTask SendAsync(ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default)
    {
        Check(payload.Length, marks);
        while (true)
        {
            Task room;
            lock (_lock)
            {
                if (TrySendLocked(payload.Span, path, marks))
                {
                    return;
                }

                room = WaitLocked();
            }

            await room.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task emptied;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isClosed, this);
                if (_queue.Count == 0)
                {
                    return;
                }

                emptied = WaitLocked();
            }

            await emptied.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public void OnCongestionChanged()
    {
        lock (_lock)
        {
            while (!transport.IsCongested && _queue.TryDequeue(out var next))
            {
                DeliverLocked(next.Payload, next.Path, next.Marks);
            }

            if (_queue.Count == 0)
            {
                _emptied?.TrySetResult();
                _emptied = null;
            }
        }
    }

    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Counters.AddDropped(DatagramDropReason.SendFailed, _queue.Count);
            _queue.Clear();
            _emptied?.TrySetResult();
            _emptied = null;
        }
    }

    /// <summary>False if the queue is full.</summary>
    private bool TrySendLocked(ReadOnlySpan<byte> payload, DatagramPath path, DatagramMarks marks)
    {
        ObjectDisposedException.ThrowIf(_isClosed, this);
        if (!transport.IsCongested && _queue.Count == 0)
        {
            DeliverLocked(payload, path, marks);
            return true;
        }

        if (_queue.Count >= queueLength)
        {
            return false;
        }

        _queue.Enqueue((payload.ToArray(), path, marks));
        return true;
    }

    /// <summary>In the lock, so that the order is kept; a receiver only queues.</summary>
    private void DeliverLocked(ReadOnlySpan<byte> payload, DatagramPath path, DatagramMarks marks)
    {
        var from = path.LocalAddress.IsUnspecified ? bound : path.LocalAddress.WithPort(bound.Port);
        if (transport.Send(payload, from, path.RemoteAddress, marks))
        {
            Counters.AddSent(1, payload.Length);
        }
        else
        {
            Counters.AddDropped(DatagramDropReason.SendUnreachable);
        }
    }

    private Task WaitLocked() => (_emptied ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static void Check(int size, DatagramMarks marks)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, LongestPayload, "payload");
        if (marks.Dscp > 63 || marks.Ecn > EcnCodepoint.CongestionExperienced || marks.TimeToLive == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(marks), marks, "A DSCP is from 0 to 63, an ECN codepoint from 0 to 3, a time to live from 1 to 255.");
        }
    }
}
