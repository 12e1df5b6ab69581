using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Testing;

/// <summary>One direction of a connection: a <see cref="Pipe"/>, and what is known of its two ends besides the bytes.</summary>
/// <remarks>
/// An end of the pipe is completed only by the side that owns it, because completing both returns buffers that the other side may be using.
/// What one side must tell the other is a flag here, and a cancelled operation to make it look.
/// </remarks>
internal sealed class OneWayPipe(PipeOptions options)
{
    private readonly Pipe _pipe = new(options);
    private Exception? _readFailure;
    private volatile bool _writesEnded;
    private long _sent;
    private long _received;
    private long _readableBytes = long.MaxValue;

    public PipeReader Reader => _pipe.Reader;

    public PipeWriter Writer => _pipe.Writer;

    /// <summary>What every read throws from now on; <see langword="null"/> while the direction is intact.</summary>
    public Exception? ReadFailure => Volatile.Read(ref _readFailure);

    /// <summary>Nobody will read what is written from now on.</summary>
    public bool WritesEnded => _writesEnded;

    /// <summary>The bytes that the reader may see, counted from the connection's start.</summary>
    public long ReadableBytes => Volatile.Read(ref _readableBytes);

    public long BytesSent => Volatile.Read(ref _sent);

    public long BytesReceived => Volatile.Read(ref _received);

    public void FailReads(ConnectionAbortedException reason) => FailReadsWith(reason);

    public void FailReads(ConnectionResetException reason) => FailReadsWith(reason);

    public void EndWrites()
    {
        _writesEnded = true;
        _pipe.Writer.CancelPendingFlush();
    }

    /// <summary>Hides from the reader what was written and not flushed. Called by the writer before it completes.</summary>
    public void DiscardUnflushed() => Volatile.Write(ref _readableBytes, BytesSent);

    // Each count has one writer (the side that flushes, the side that reads), so a volatile write is enough for readers on other threads.
    public void CountSent(long bytes) => Volatile.Write(ref _sent, _sent + bytes);

    public void CountReceived(long total) => Volatile.Write(ref _received, Math.Max(_received, total));

    private void FailReadsWith(Exception reason)
    {
        // Two sides may abort at once: the first reason stays. The flag is set before the wake-up, so that a read which starts between the
        // two is woken by the cancellation that the pipe remembers.
        Interlocked.CompareExchange(ref _readFailure, reason, null);
        _pipe.Reader.CancelPendingRead();
    }
}
