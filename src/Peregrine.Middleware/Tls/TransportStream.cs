using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Peregrine.Middleware.Tls;

/// <summary>
/// The transport, as <see cref="System.Net.Security.SslStream"/> wants it. A read without a buffer waits for bytes and takes none, so that a
/// connection that waits holds nothing. What is written is only copied to the transport's output: who writes flushes once, behind its last record.
/// </summary>
/// <remarks>One read at a time, and any writes: the reading side of TLS may have something to write, too.</remarks>
internal sealed class TransportStream(IDuplexPipe transport) : Stream
{
    private readonly PipeReader _input = transport.Input;
    private readonly PipeWriter _output = transport.Output;

    // Between a writer's copy and the call of a flush: the output is for one thread at a time.
    private readonly Lock _outputLock = new();
    private long _unflushed;
    private volatile bool _isStopped;
    private TlsTurn _turn;
    private RecordProgress _record;

    /// <summary>During the handshake, in which nobody else flushes.</summary>
    public bool FlushesWrites { get; set; } = true;

    /// <summary>Bytes that were written and not flushed.</summary>
    public long UnflushedBytes => Interlocked.Read(ref _unflushed);

    /// <summary>The transport's input has ended, and that was told.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>What a read of the transport has failed with: TLS wraps it.</summary>
    public Exception? ReadFailure { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Bytes of a record that has not come whole. May be read from any thread, and is a little old then.</summary>
    public int PartialRecordBytes => _record.PartialBytes;

    /// <summary>Runs the shutdown that had to wait for a read.</summary>
    public required Action OnShutDownDue { get; init; }

    /// <summary>False if a read is decrypting: <see cref="OnShutDownDue"/> is called behind it.</summary>
    public bool TryBeginShutDown() => _turn.TryBeginShutDown();

    public void EndShutDown() => _turn.EndShutDown();

    /// <summary>TLS is about to be read from, and may have something to decrypt.</summary>
    public void BeginDecrypting() => _turn.BeginDecrypting();

    /// <summary>TLS has done what it could with what it got.</summary>
    public void EndDecrypting()
    {
        if (_turn.EndDecrypting())
        {
            OnShutDownDue();
        }
    }

    /// <summary>Ends the read that waits, and every later one.</summary>
    public void StopReading()
    {
        _isStopped = true;
        _input.CancelPendingRead();
    }

    /// <summary>Sends what was written.</summary>
    public ValueTask<FlushResult> FlushOutputAsync(CancellationToken cancellationToken = default)
    {
        lock (_outputLock)
        {
            _unflushed = 0;
            return _output.FlushAsync(cancellationToken);
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        EndDecrypting();
        try
        {
            var read = _isStopped ? throw Stopped() : _input.ReadAsync(cancellationToken);
            if (!read.IsCompletedSuccessfully)
            {
                return AwaitAsync(read, buffer, cancellationToken);
            }

            return TryTake(read.Result, buffer.Span, out var count)
                ? new ValueTask<int>(count)
                : AwaitAsync(_input.ReadAsync(cancellationToken), buffer, cancellationToken);
        }
        catch (Exception exception)
        {
            ReadFailure = exception;
            throw;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return FlushesWrites ? FlushAllAsync(cancellationToken) : default;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <remarks>Also called by an asynchronous handshake: its last alert is written so.</remarks>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_outputLock)
        {
            _output.Write(buffer);
            _unflushed += buffer.Length;
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Who writes flushes.
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [ExcludeFromCodeCoverage]
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async ValueTask FlushAllAsync(CancellationToken cancellationToken) =>
        await FlushOutputAsync(cancellationToken).ConfigureAwait(false);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> AwaitAsync(ValueTask<ReadResult> read, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                if (TryTake(await read.ConfigureAwait(false), buffer.Span, out var count))
                {
                    return count;
                }

                read = _input.ReadAsync(cancellationToken);
            }
        }
        catch (Exception exception)
        {
            ReadFailure = exception;
            throw;
        }
    }

    /// <summary>False if the read was cancelled by somebody, and there is nothing to take.</summary>
    private bool TryTake(ReadResult read, Span<byte> buffer, out int count)
    {
        count = 0;
        var bytes = read.Buffer;
        if (bytes.IsEmpty)
        {
            _input.AdvanceTo(bytes.End);
            HasEnded = read.IsCompleted;
            return _isStopped ? throw Stopped() : HasEnded;
        }

        count = (int)Math.Min(bytes.Length, buffer.Length);
        var taken = count == bytes.Length ? bytes : bytes.Slice(0, count);
        taken.CopyTo(buffer);
        if (count > 0)
        {
            _record.Take(buffer[..count]);
            _turn.BeginDecrypting();
        }

        _input.AdvanceTo(taken.End);
        return true;
    }

    private static OperationCanceledException Stopped() => new("The connection is closed.");
}

/// <summary>Follows the records of TLS (RFC 8446 §5.1: a header of five bytes, the last two of which are the length of what follows).</summary>
internal struct RecordProgress
{
    private const int HeaderSize = 5;

    private int _taken;
    private int _length;

    /// <summary>How much of the record that is under way has come.</summary>
    public readonly int PartialBytes => _taken;

    public void Take(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            if (_taken < HeaderSize)
            {
                _length = _taken switch
                {
                    HeaderSize - 2 => bytes[0] << 8,
                    HeaderSize - 1 => _length | bytes[0],
                    _ => 0,
                };
                _taken++;
                bytes = bytes[1..];
            }
            else
            {
                var count = Math.Min(bytes.Length, HeaderSize + _length - _taken);
                _taken += count;
                bytes = bytes[count..];
            }

            if (_taken >= HeaderSize && _taken == HeaderSize + _length)
            {
                _taken = 0;
            }
        }
    }
}
