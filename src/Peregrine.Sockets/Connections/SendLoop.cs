using System.Net.Sockets;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// Sends what a writer hands over, in order: at once what the kernel takes, the rest when it has room, and the FIN after the last byte. Goes
/// on even if the flush that waits for it is cancelled.
/// </summary>
/// <remarks>
/// Three things can be left to send, in this order: the queue of flushed blocks, whose head belongs to the loop; the memory that the
/// <c>WriteAsync</c> which waits has lent, which belongs to whoever moved <see cref="Pending"/> out of waiting, and what was written behind
/// it; a part of a file.
/// </remarks>
internal sealed partial class SendLoop<TSocket> : IThreadPoolWorkItem
    where TSocket : struct, IStreamSocket
{
    /// <summary>
    /// A send that waits ends when all of its bytes are sent, and a slow peer's progress must be seen: a part of a large block at a time.
    /// </summary>
    private const int MostBytesOfASend = 64 * 1024;

    private readonly TSocket _socket;
    private readonly StreamConnection<TSocket> _connection;
    private readonly SocketPipeWriter<TSocket> _writer;

    // Under the gate.
    private PendingOperation _pending;
    private SendQueue _queue;
    private ReadOnlyMemory<byte> _lent;
    private SendQueue _behindLent;
    private FileSend? _file;
    private bool _sending;
    private bool _parked;
    private bool _closed;
    private bool _finWhenDrained;
    private bool _finished;
    private TaskCompletionSource? _drained;

    private long _bytesSent;
    private long _queuedBytes;

    // Under the gate, in the clock's ticks: for how long something has waited; while something does, less the time since when. One number, because every
    // connection has it.
    private long _waited;

    public SendLoop(TSocket socket, StreamConnection<TSocket> connection, SocketPipeWriter<TSocket> writer)
    {
        _socket = socket;
        _connection = connection;
        _writer = writer;
    }

    /// <summary>This itself: nobody else sees it, and every connection would keep a lock.</summary>
    public object Gate => this;

    /// <summary>The flush that waits; under the <see cref="Gate"/>.</summary>
    public ref PendingOperation Pending => ref _pending;

    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>What is flushed and not sent, but for lent memory and files.</summary>
    public long QueuedBytes => Interlocked.Read(ref _queuedBytes);

    /// <summary>Something is in front of what would be sent now. Only the writer's flow starts the loop: if it does not run, it will not.</summary>
    public bool IsSending => Volatile.Read(ref _sending);

    /// <summary>For how long something was in front of what would have been sent, in all.</summary>
    public TimeSpan SendingTime
    {
        get
        {
            lock (Gate)
            {
                return Clock.GetElapsedTime(0, _sending ? _waited + Clock.GetTimestamp() : _waited);
            }
        }
    }

    /// <summary>Everything is sent, the FIN too, or nothing can be sent any more.</summary>
    public bool IsDrained => Volatile.Read(ref _finished);

    /// <summary>Nothing can be sent any more.</summary>
    public bool IsClosed => Volatile.Read(ref _closed);

    private StreamSettings Settings => _connection.Settings;

    private TimeProvider Clock => Settings.Heartbeat.Clock;

    /// <summary>
    /// Sends on the caller's thread what the kernel takes at once. Returns how many bytes are done with: those that were sent, or all, if
    /// none can be sent any more.
    /// </summary>
    public int TrySend(ReadOnlySpan<byte> data)
    {
        var sent = 0;
        while (sent < data.Length)
        {
            if (IsClosed)
            {
                return data.Length;
            }

            var result = _socket.TrySend(data[sent..]);
            if (result.IsError)
            {
                Fail(result);
                return data.Length;
            }

            if (result.IsWouldBlock)
            {
                return sent;
            }

            Count(result.Bytes);
            sent += result.Bytes;
        }

        return sent;
    }

    /// <summary>The same for a chain, many blocks with one system call. True if nothing is left of it.</summary>
    public bool TrySend(ref WriteChain chain)
    {
        while (chain.Next() is { } head)
        {
            var result = IsClosed ? IoResult.Released : _socket.TrySend(head);
            if (result.IsWouldBlock)
            {
                return false;
            }

            if (result.IsError)
            {
                if (!IsClosed)
                {
                    Fail(result);
                }

                chain.Return();
                return true;
            }

            Count(result.Bytes);
            chain.Consume(result.Bytes);
        }

        return true;
    }

    /// <exception cref="InvalidOperationException">A flush that begins now would find another, or a file, in front of it.</exception>
    public void ThrowIfBusy()
    {
        lock (Gate)
        {
            ThrowIfBusyLocked();
        }
    }

    /// <summary>Takes over what is written, and the memory that follows it, and begins the flush that waits for both.</summary>
    /// <param name="written">Empty afterwards.</param>
    /// <param name="lent">Read until the flush ends.</param>
    /// <param name="cancellationToken">Of the flush.</param>
    /// <param name="waits">Whether there is something to wait for. The caller gives the loop its turn by <see cref="Start"/> either way.</param>
    /// <param name="start">For <see cref="Start"/>.</param>
    /// <param name="canceled">The flush was cancelled ahead.</param>
    /// <returns>False, with nothing done, if the flush was cancelled ahead and memory is lent: it must be written instead.</returns>
    public bool TryBeginFlush(
        ref WriteChain written, ReadOnlyMemory<byte> lent, CancellationToken cancellationToken, out bool waits, out bool start, out bool canceled)
    {
        waits = start = canceled = false;
        lock (Gate)
        {
            ThrowIfBusyLocked();
            if (!lent.IsEmpty && _pending.IsCancelRequested)
            {
                return false;
            }

            start = QueueLocked(ref written);
            canceled = _pending.TakeCancelRequest();
            if (!lent.IsEmpty && !_closed)
            {
                start |= TryBeginSendingLocked();
                _lent = lent;
            }

            waits = _sending && !_closed && !canceled;
            if (waits)
            {
                _pending.Begin(cancellationToken);
            }
        }

        written.Return();
        return true;
    }

    /// <summary>Sends a part of a file after what is written. False if nothing can be sent any more.</summary>
    public bool TryBeginFile(ref WriteChain written, FileSend file)
    {
        bool start, closed;
        lock (Gate)
        {
            ThrowIfBusyLocked();
            closed = _closed;
            start = QueueLocked(ref written);
            if (!closed)
            {
                start |= TryBeginSendingLocked();
                _file = file;
            }
        }

        written.Return();
        Start(start);
        return !closed;
    }

    public void Start(bool start)
    {
        if (start && Next())
        {
            Run();
        }
    }

    /// <summary>A send that was pending has ended.</summary>
    public void OnSent(IoResult result)
    {
        if (Sent(result))
        {
            Run();
        }
    }

    /// <summary>Moves a chain to the queue. True if the caller must start the loop.</summary>
    private bool QueueLocked(ref WriteChain chain)
    {
        if (_closed || !chain.HasBlocks)
        {
            return false;
        }

        AppendLocked(ref _queue, ref chain);
        return TryBeginSendingLocked();
    }

    /// <summary>False if it sends already.</summary>
    private bool TryBeginSendingLocked()
    {
        if (_sending)
        {
            return false;
        }

        _sending = true;
        _waited -= Clock.GetTimestamp();
        return true;
    }

    private void AppendLocked(ref SendQueue queue, ref WriteChain chain)
    {
        Interlocked.Add(ref _queuedBytes, chain.Length);
        queue.Append(chain.Take());
    }

    private void Run()
    {
        // The head stays in the queue while it is sent; only the loop removes it.
        while (_socket.Send(_queue.Head!.UnsentUpTo(MostBytesOfASend), out var result) && Sent(result))
        {
        }
    }

    /// <summary>Takes note of what was sent. True if there is more to send now.</summary>
    private bool Sent(IoResult result)
    {
        if (result.IsError)
        {
            Fail(result);
            return false;
        }

        Interlocked.Add(ref _bytesSent, result.Bytes);
        Interlocked.Add(ref _queuedBytes, -result.Bytes);
        _connection.Burst.Touch(); // After what it stands for.
        _queue.Head!.Consume(result.Bytes);
        return Next();
    }

    /// <summary>
    /// Sends what needs no wait, and finds what does. True if <see cref="Run"/> sends it; false if the loop is over, or somebody else goes on
    /// with it.
    /// </summary>
    private bool Next()
    {
        while (true)
        {
            BufferSegment? sent = null;
            var lent = default(ReadOnlyMemory<byte>);
            FileSend? file = null;
            var end = default(End);
            var isOver = false;
            lock (Gate)
            {
                if (_queue.Head is { } head)
                {
                    if (head.Length > 0)
                    {
                        return true;
                    }

                    sent = _queue.Dequeue();
                }
                else if (!_lent.IsEmpty)
                {
                    if (!_pending.IsWaiting)
                    {
                        _parked = true; // The flush is being cancelled: who does that goes on.
                        return false;
                    }

                    _pending.BeginAttempt();
                    lent = _lent;
                }
                else if (_behindLent.Head is not null)
                {
                    _queue = _behindLent;
                    _behindLent = default;
                }
                else if (_file is { Remaining: > 0 })
                {
                    file = _file;
                }
                else
                {
                    isOver = true;
                    end = EndLocked();
                    if (_finWhenDrained)
                    {
                        // Under the lock: who sees that all is finished may release the socket, and the FIN must be before that.
                        SendFinLocked();
                    }
                }
            }

            sent?.Return();
            if (!lent.IsEmpty)
            {
                SendLent(lent);
            }

            if (file is not null)
            {
                if (_connection.Burst.IsOver)
                {
                    _connection.Burst.Restart();
                    Settings.Schedule(this);
                    return false;
                }

                SendFile(file);
            }

            if (isOver)
            {
                Ended(end);
                return false;
            }
        }
    }

    /// <summary>The thread was given to others in the middle of a file.</summary>
    void IThreadPoolWorkItem.Execute() => Start(start: true);

    private void Count(int bytes)
    {
        Interlocked.Add(ref _bytesSent, bytes);
        _connection.Burst.Add(bytes);
    }

    private void ThrowIfBusyLocked()
    {
        if (!_pending.IsNone || _file is not null)
        {
            throw PipeMisuse.FlushInProgress();
        }
    }
}
