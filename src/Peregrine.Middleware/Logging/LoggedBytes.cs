using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware;

/// <summary>Which way bytes go.</summary>
public enum LoggedDirection
{
    /// <summary>From the peer to the application.</summary>
    Received,

    /// <summary>From the application to the peer.</summary>
    Sent,
}

/// <summary>Bytes that are about to be dumped to a log, of which some can be hidden. Valid during the call only.</summary>
public readonly ref struct LoggedBytes
{
    private readonly Span<bool> _hidden;

    internal LoggedBytes(ConnectionContext connection, LoggedDirection direction, long offset, ReadOnlySpan<byte> bytes, Span<bool> hidden)
    {
        Connection = connection;
        Direction = direction;
        Offset = offset;
        Bytes = bytes;
        _hidden = hidden;
    }

    /// <summary>Whose they are. What a redaction must remember from one part of a message to the next can be kept in its <c>Items</c>.</summary>
    public ConnectionContext Connection { get; }

    /// <summary>Which way they go.</summary>
    public LoggedDirection Direction { get; }

    /// <summary>How many bytes went this way before the first of them.</summary>
    public long Offset { get; }

    /// <summary>A copy of the bytes: a read or a flush, up to <see cref="ConnectionLoggingOptions.MaxDumpSizeInBytes"/>.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Shows asterisks for some of them.</summary>
    /// <param name="start">The first, from 0 on.</param>
    /// <param name="length">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">They are not all in <see cref="Bytes"/>.</exception>
    public void Hide(int start, int length) => _hidden.Slice(start, length).Fill(true);

    /// <summary>Shows asterisks for all of them.</summary>
    public void HideAll() => _hidden.Fill(true);
}
