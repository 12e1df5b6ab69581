using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.Datagrams;

/// <summary>
/// Queues datagrams, and sends what is queued with few calls: at the end of a handler's batch, when a call is full, and otherwise as soon as a thread of the pool is free.
/// </summary>
/// <remarks>
/// Two locks: one is held while the queue is changed, for some instructions; the other around the system calls, which do not wait, so that datagrams keep their
/// order. Who has both takes the latter first.
/// </remarks>
internal sealed partial class QueuedSender : DatagramSender, IThreadPoolWorkItem
{
    // Of payload, so that what is sent is still in the cache.
    private const int BytesOfAFlush = 256 * 1024;

    // Before other work of the thread has its turn.
    private const int MostCallsInARow = 64;

    private readonly ITransmission _transmission;
    private readonly SendRing _ring;
    private readonly OutgoingMessage[] _prepared;
    private readonly int _socketDscp;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Lock _sending = new();
    private readonly Lock _queue = new();
    private int _batchThread;
    private int _isScheduled;

    // Under the lock of the queue.
    private DatagramCounters _counters = new();
    private TaskCompletionSource? _progress;
    private long _added;
    private bool _isBlocked;
    private bool _isClosed;
    private bool _isRetried;
    private bool _hasSegmented;
    private Backoff _backoff;
    private ITimer? _timer;

    public QueuedSender(ITransmission transmission, DatagramTransportOptions options, ILogger logger)
    {
        _transmission = transmission;
        _ring = new SendRing(options.MaxQueuedBytes, options.MaxQueuedDatagrams) { LargestSegment = transmission.LargestSegment };
        _prepared = new OutgoingMessage[transmission.MostMessages];
        _socketDscp = options.Socket.Dscp ?? 0;
        _clock = options.TimeProvider;
        _logger = logger;
    }

    public override int MaxPayloadSizeInBytes => DatagramLimits.LargestPayload;

    public override bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default)
    {
        if (TryQueue(payload, path, PackMarks(payload.Length, marks), out _))
        {
            return true;
        }

        _counters.AddDropped(DatagramDropReason.SendQueueFull);
        return false;
    }

    public override ValueTask SendAsync(
        ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default)
    {
        var packed = PackMarks(payload.Length, marks);
        cancellationToken.ThrowIfCancellationRequested();
        return TryQueue(payload.Span, path, packed, out var progress) ? default : QueueAsync(payload, path, packed, progress, cancellationToken);
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        long target;
        lock (_queue)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(DatagramSender));
            target = _added;
        }

        Flush();
        while (true)
        {
            Task progress;
            lock (_queue)
            {
                ObjectDisposedException.ThrowIf(_isClosed, typeof(DatagramSender));
                if (_added - _ring.Datagrams >= target)
                {
                    return;
                }

                progress = ProgressLocked();
            }

            await progress.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override int? GetPathMtu(in DatagramPath path) => _transmission.GetPathMtu(path);

    /// <summary>From here on, everything is counted there.</summary>
    public void CountIn(DatagramCounters counters)
    {
        lock (_queue)
        {
            _counters = counters;
        }
    }

    /// <summary>This thread calls a handler: what is queued on it until <see cref="EndBatch"/> is sent then.</summary>
    public void BeginBatch() => Volatile.Write(ref _batchThread, Environment.CurrentManagedThreadId);

    public void EndBatch()
    {
        Volatile.Write(ref _batchThread, 0);
        Flush();
    }

    /// <summary>Gives what is queued to the kernel, until it takes no more.</summary>
    public void Flush()
    {
        for (var calls = 0; calls < MostCallsInARow; calls++)
        {
            var (isDone, outcome) = SendSome();
            Report(outcome);
            if (isDone)
            {
                return;
            }
        }

        Schedule();
    }

    /// <summary>The kernel takes more again.</summary>
    public void OnRoom()
    {
        lock (_queue)
        {
            _isBlocked = false;
        }

        Flush();
    }

    /// <summary>Nobody tells when the kernel takes more.</summary>
    public void RetryLater()
    {
        lock (_queue)
        {
            RetryLaterLocked();
        }
    }

    /// <summary>What has become of the first message, which waited for room.</summary>
    public void OnRoom(Transmitted transmitted, in OutgoingMessage message)
    {
        Outcome outcome;
        lock (_queue)
        {
            _isBlocked = false;
            if (_isClosed)
            {
                return;
            }

            outcome = CompleteLocked([message], transmitted);
        }

        Report(outcome);
        Flush();
    }

    /// <summary>Sends what the kernel takes at once, drops the rest, and ends every wait. Once.</summary>
    public void Close()
    {
        lock (_queue)
        {
            // One more try.
            _isBlocked = false;
        }

        Flush();
        TaskCompletionSource? progress;

        // Not while another thread is in a call, which has still to take out what it has sent.
        lock (_sending)
        {
            lock (_queue)
            {
                if (_isClosed)
                {
                    return;
                }

                _isClosed = true;
                _counters.AddDropped(DatagramDropReason.SendFailed, _ring.Datagrams);
                _ring.Clear();
                _timer?.Dispose();
                progress = TakeProgressLocked();
            }
        }

        progress?.SetResult();
    }

    void IThreadPoolWorkItem.Execute()
    {
        // Before the look at the queue: what is added after it is scheduled again.
        Interlocked.Exchange(ref _isScheduled, 0);
        Flush();
    }

    private PackedMarks PackMarks(int length, in DatagramMarks marks)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxPayloadSizeInBytes, "payload.Length");
        return PackedMarks.Of(marks, _socketDscp);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask QueueAsync(ReadOnlyMemory<byte> payload, DatagramPath path, PackedMarks marks, Task? progress, CancellationToken cancellationToken)
    {
        do
        {
            await progress!.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        while (!TryQueue(payload.Span, path, marks, out progress));
    }

    /// <summary>False if it is full, and the kernel takes no more: then something is different when <paramref name="progress"/> completes.</summary>
    private bool TryQueue(ReadOnlySpan<byte> payload, in DatagramPath path, PackedMarks marks, out Task? progress)
    {
        while (true)
        {
            bool isAdded;
            bool isBlocked;
            bool isCallFull;
            lock (_queue)
            {
                ObjectDisposedException.ThrowIf(_isClosed, typeof(DatagramSender));
                isAdded = _ring.TryAdd(payload, path, marks);
                _added += isAdded ? 1 : 0;
                isBlocked = _isBlocked;
                isCallFull = _ring.Entries >= _prepared.Length || _ring.Bytes >= BytesOfAFlush;
                progress = isAdded || !isBlocked ? null : ProgressLocked();
            }

            if (isBlocked)
            {
                return isAdded;
            }

            if (!isAdded || isCallFull)
            {
                Flush();
            }
            else if (Volatile.Read(ref _batchThread) != Environment.CurrentManagedThreadId)
            {
                Schedule();
            }

            if (isAdded)
            {
                return true;
            }
        }
    }

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>One call. Done if nothing is left, or nothing more can be done now.</summary>
    private (bool IsDone, Outcome Outcome) SendSome()
    {
        lock (_sending)
        {
            int count;
            lock (_queue)
            {
                if (_isBlocked || _isClosed || _ring.Entries == 0)
                {
                    return (true, default);
                }

                count = _ring.Prepare(_prepared);
                for (var i = 0; i < count; i++)
                {
                    _transmission.Prepare(i, _prepared[i], _ring);
                }
            }

            var transmitted = _transmission.Transmit(count);
            lock (_queue)
            {
                var outcome = CompleteLocked(_prepared.AsSpan(0, count), transmitted);
                return (_isBlocked || _ring.Entries == 0, outcome);
            }
        }
    }

    private Task ProgressLocked() => (_progress ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private TaskCompletionSource? TakeProgressLocked()
    {
        var progress = _progress;
        _progress = null;
        return progress;
    }
}
