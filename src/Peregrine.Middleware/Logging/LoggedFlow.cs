using System.Buffers;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Logging;

/// <summary>
/// The bytes of one direction on their way to the log: gathered until <see cref="Log"/> makes an entry of them. Only what will be dumped is
/// copied, and nothing is kept from one entry to the next. Of one flow; <see cref="Dispose"/> comes after it.
/// </summary>
/// <param name="connection">Whose they are.</param>
/// <param name="direction">Which way they go.</param>
/// <param name="logger">The log.</param>
/// <param name="maxDumpSize">How many bytes of an entry are dumped; 0, the entries have sizes only.</param>
/// <param name="redact">Hides bytes.</param>
internal sealed class LoggedFlow(
    ConnectionContext connection, LoggedDirection direction, GuardedLogger logger, int maxDumpSize, Action<LoggedBytes>? redact) : IDisposable
{
    // An end can come from another thread than that of the flow.
    private readonly Lock _lock = new();
    private long _offset;
    private long _count;
    private byte[]? _dumped;
    private int _dumpedCount;
    private bool _hasEnded;
    private bool _isDisposed;

    public void Add(in ReadOnlySequence<byte> bytes)
    {
        lock (_lock)
        {
            // Of a read that its handler has left behind: the memory may be another connection's by now.
            if (_isDisposed)
            {
                return;
            }

            foreach (var segment in bytes)
            {
                AddLocked(segment.Span);
            }
        }
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            if (!_isDisposed)
            {
                AddLocked(bytes);
            }
        }
    }

    /// <summary>Makes an entry of what has come since the last.</summary>
    public void Log()
    {
        if (Take() is { Count: > 0 } entry)
        {
            Write(entry);
            Return(entry.Dumped);
        }
    }

    /// <summary>Forgets what has come since the last entry, and says how much it was: what failed before it was flushed is not sent.</summary>
    public void Discard()
    {
        var entry = Take(isSent: false);
        Return(entry.Dumped);
        if (entry.Count > 0)
        {
            ConnectionLoggingLog.Unflushed(logger, connection.ConnectionId, entry.Count, entry.Offset);
        }
    }

    /// <summary>No more will come. Said once.</summary>
    public void End()
    {
        Log();
        bool isFirst;
        long offset;
        lock (_lock)
        {
            isFirst = !_hasEnded;
            _hasEnded = true;
            offset = _offset;
        }

        if (isFirst)
        {
            ConnectionLoggingLog.Ended(logger, connection.ConnectionId, direction, offset);
        }
    }

    /// <summary>Gives back what no entry was made of. What comes afterwards is not looked at, and there are no more entries.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _hasEnded = true;
        }

        Return(Take().Dumped);
    }

    private Entry Take(bool isSent = true)
    {
        lock (_lock)
        {
            var entry = new Entry(_offset, _count, _dumped, _dumpedCount);
            _offset += isSent ? _count : 0;
            _count = 0;
            _dumped = null;
            _dumpedCount = 0;
            return entry;
        }
    }

    private void Write(in Entry entry)
    {
        if (maxDumpSize == 0)
        {
            ConnectionLoggingLog.Passed(logger, connection.ConnectionId, direction, entry.Count, entry.Offset);
            return;
        }

        string dump;
        try
        {
            dump = Format(entry);
        }
        catch (Exception exception)
        {
            dump = $"(not shown: the redaction failed with {exception.GetType().Name})";
        }

        ConnectionLoggingLog.Dumped(logger, connection.ConnectionId, direction, entry.Count, entry.Offset, Environment.NewLine + dump);
    }

    private string Format(in Entry entry)
    {
        var bytes = entry.Dumped.AsSpan(0, entry.DumpedCount);
        if (redact is null)
        {
            return HexDump.Of(bytes, hidden: [], entry.Offset, entry.Count - entry.DumpedCount);
        }

        var hidden = ArrayPool<bool>.Shared.Rent(bytes.Length);
        try
        {
            hidden.AsSpan(0, bytes.Length).Clear();
            redact(new LoggedBytes(connection, direction, entry.Offset, bytes, hidden.AsSpan(0, bytes.Length)));
            return HexDump.Of(bytes, hidden.AsSpan(0, bytes.Length), entry.Offset, entry.Count - entry.DumpedCount);
        }
        finally
        {
            ArrayPool<bool>.Shared.Return(hidden);
        }
    }

    private void AddLocked(ReadOnlySpan<byte> bytes)
    {
        _count += bytes.Length;
        var copied = Math.Min(bytes.Length, maxDumpSize - _dumpedCount);
        if (copied <= 0)
        {
            return;
        }

        if (_dumped is null || _dumped.Length < _dumpedCount + copied)
        {
            GrowLocked(_dumpedCount + copied);
        }

        bytes[..copied].CopyTo(_dumped.AsSpan(_dumpedCount));
        _dumpedCount += copied;
    }

    private void GrowLocked(int size)
    {
        var grown = ArrayPool<byte>.Shared.Rent(Math.Min(maxDumpSize, Math.Max(size, 2 * _dumpedCount)));
        _dumped.AsSpan(0, _dumpedCount).CopyTo(grown);
        Return(_dumped);
        _dumped = grown;
    }

    private static void Return(byte[]? dumped)
    {
        if (dumped is not null)
        {
            // What is in it may be secret, which is what redaction is for.
            ArrayPool<byte>.Shared.Return(dumped, clearArray: true);
        }
    }

    private readonly record struct Entry(long Offset, long Count, byte[]? Dumped, int DumpedCount);
}
