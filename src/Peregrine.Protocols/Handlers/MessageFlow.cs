using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Protocols.Handlers;

/// <summary>
/// What the loop and the handlers of one connection share: what is written while the loop has more to handle stays corked, and goes out in one flush.
/// </summary>
internal sealed class MessageFlow(ConnectionContext connection, MessageWriter writer)
{
    /// <summary>Answers may be much larger than what they answer.</summary>
    private const int MostCorked = 64 * 1024;

    private volatile bool _isCorked;
    private volatile bool _isClosing;
    private volatile bool _wasWoken;

    public ConnectionContext Connection { get; } = connection;

    public MessageWriter Writer { get; } = writer;

    /// <summary>Nothing more is read.</summary>
    public bool IsClosing => _isClosing;

    public void Close()
    {
        if (!_isClosing)
        {
            _isClosing = true;
            Wake();
        }
    }

    /// <summary>A read that was cancelled means no more than that.</summary>
    public bool WasWoken => _wasWoken;

    /// <summary>The loop looks up from its read.</summary>
    public void Wake()
    {
        _wasWoken = true;
        Connection.Transport.Input.CancelPendingRead();
    }

    public void Cork() => _isCorked = true;

    public ValueTask<FlushResult> UncorkAsync()
    {
        // Before the writer's lock is taken: what is added behind this flush sees it, and flushes for itself.
        _isCorked = false;
        return Writer.FlushAsync(CancellationToken.None);
    }

    /// <summary>Sends what was added before, or leaves it to the loop.</summary>
    public ValueTask<FlushResult> FlushAsync(long pending, CancellationToken cancellationToken) =>
        _isCorked && pending <= MostCorked ? default : Writer.FlushAsync(cancellationToken);
}
