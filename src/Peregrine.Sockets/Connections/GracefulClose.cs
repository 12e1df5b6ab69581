using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// The close sequence: send what is left, FIN, discard until the peer's FIN, release the socket. Each step is bounded
/// (<see cref="CloseOptions"/>) by the transport's heartbeat, and no bound but the one of progress loses what the peer could still take.
/// </summary>
/// <remarks>
/// Were the socket released with bytes unread, or did bytes arrive after it, the kernel would answer with a reset, and the peer would lose
/// what it has not read yet; a reset loses nothing once the peer has acknowledged our FIN (FIN_WAIT2), and leaves no TIME_WAIT.
/// </remarks>
internal sealed class GracefulClose<TSocket> : IHeartbeatListener, ILingeringClose
    where TSocket : struct, IStreamSocket
{
    /// <summary>A FIN counts as a byte; one that the kernel goes on to send by itself holds up nothing.</summary>
    public const int OnlyFin = 1;

    private readonly StreamConnection<TSocket> _connection;
    private readonly TSocket _socket;
    private readonly SocketPipeReader<TSocket> _reader;
    private readonly SocketPipeWriter<TSocket> _writer;
    private readonly StreamSettings _settings;
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _released;
    private InputDiscard<TSocket>? _discard;
    private volatile DiscardEnd _discardEnd;
    private int _isReleased;

    // The heartbeat's.
    private long _since;
    private long _lastProgress;
    private long _progress;
    private long _unacknowledged = long.MaxValue;
    private int _isCounted;

    public GracefulClose(
        StreamConnection<TSocket> connection, TSocket socket, SocketPipeReader<TSocket> reader, SocketPipeWriter<TSocket> writer, StreamSettings settings)
    {
        _connection = connection;
        _socket = socket;
        _reader = reader;
        _writer = writer;
        _settings = settings;
    }

    /// <summary>Completes when the connection is disposed, never with an exception.</summary>
    public Task Disposed => _disposed.Task;

    LinkedListNode<ILingeringClose>? ILingeringClose.Place { get; set; }

    private bool IsReleased => Volatile.Read(ref _isReleased) != 0;

    private TimeProvider Clock => _settings.Heartbeat.Clock;

    private CloseOptions Options => _settings.Close;

    /// <param name="lingerInBackground">Whether it is done when the FIN is sent; otherwise, when the socket is released.</param>
    public async Task RunAsync(bool lingerInBackground)
    {
        try
        {
            _reader.Complete();
            _writer.Complete();
            await FinishSendingAsync().ConfigureAwait(false);
            _connection.OnSendingFinished();
            var lingering = LingerAsync();
            if (!lingerInBackground)
            {
                await lingering.ConfigureAwait(false);
            }
        }
        catch
        {
            // Whatever a pool or a callback throws, the socket is released.
            Release(reset: false);
            throw;
        }
        finally
        {
            _disposed.SetResult();
        }
    }

    /// <summary>The connection was aborted.</summary>
    public void OnAborted() => Release(reset: true);

    /// <summary>The peer's last bytes are discarded, or will not be.</summary>
    public void OnDiscarded(DiscardEnd end)
    {
        _discardEnd = end;
        var unacknowledged = _socket.Unacknowledged;
        if (end == DiscardEnd.Failed || unacknowledged is null || IsTaken(unacknowledged.Value))
        {
            Release(reset: end == DiscardEnd.Limit && unacknowledged is not null);
        }

        // Otherwise the heartbeat sees when the peer has taken everything.
    }

    void ILingeringClose.EndEarly() => End();

    void IHeartbeatListener.OnHeartbeat(long now)
    {
        if (Volatile.Read(ref _discard) is not { } discard)
        {
            LookAtSending(now);
        }
        else if (_socket.Unacknowledged is { } unacknowledged && !IsTaken(unacknowledged))
        {
            LookAtAcknowledging(now, unacknowledged);
        }
        else
        {
            LookAtPeer(now, discard.Bytes);
        }
    }

    private void LookAtSending(long now)
    {
        // What a socket was given counts as sent only as a whole: of a slow peer, the kernel knows.
        var taken = _socket.Acknowledged ?? _writer.BytesSent;
        if (taken != _progress)
        {
            _progress = taken;
            _lastProgress = now;
        }
        else if (Clock.GetElapsedTime(_lastProgress, now) >= Options.ProgressTimeout)
        {
            _connection.Abort(new("The peer did not take what was left to send in time."));
        }
    }

    private void LookAtAcknowledging(long now, int unacknowledged)
    {
        if (unacknowledged < _unacknowledged)
        {
            _unacknowledged = unacknowledged;
            _lastProgress = now;
        }
        else if (Clock.GetElapsedTime(_lastProgress, now) >= Options.ProgressTimeout)
        {
            End();
        }

        // The time for the peer's FIN begins when it has everything.
        _since = now;
    }

    private void LookAtPeer(long now, long discarded)
    {
        CountAgainstOthers();
        if (discarded != _progress)
        {
            _progress = discarded;
            _lastProgress = now;
        }

        var silentSince = Math.Max(_lastProgress, _since);
        if (_discardEnd != DiscardEnd.None || Clock.GetElapsedTime(silentSince, now) >= Options.Silence || Clock.GetElapsedTime(_since, now) >= Options.Total)
        {
            End();
        }
    }

    /// <summary>Completes when all is sent, our FIN too, or the connection has failed.</summary>
    private async Task FinishSendingAsync()
    {
        var drained = _writer.WhenDrainedAsync();
        if (!drained.IsCompleted)
        {
            _lastProgress = Clock.GetTimestamp();
            _settings.Heartbeat.Add(this);
            await drained.ConfigureAwait(false);
            _settings.Heartbeat.Remove(this);
        }
    }

    /// <summary>Completes when the socket is released: at the peer's FIN, or when the time for it is over.</summary>
    private Task LingerAsync()
    {
        if (_connection.HasFailed || (_reader.HasEnded && !(_socket.Unacknowledged > OnlyFin)))
        {
            Release(reset: false);
            return Task.CompletedTask;
        }

        // A full barrier, between the write here and the look at the release below, which does the same the other way round.
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _released, released);
        _progress = 0;
        _since = _lastProgress = Clock.GetTimestamp();
        var discard = new InputDiscard<TSocket>(_socket, this, Options.DiscardLimitInBytes);
        _discardEnd = _reader.HasEnded ? DiscardEnd.PeerClosed : DiscardEnd.None;
        Volatile.Write(ref _discard, discard);
        if (_discardEnd == DiscardEnd.None && !_reader.HandOver(discard))
        {
            discard.Run();
        }

        if (!IsReleased && (_socket.Unacknowledged is not { } unacknowledged || IsTaken(unacknowledged)))
        {
            CountAgainstOthers();
        }

        if (!IsReleased)
        {
            _settings.Heartbeat.Add(this);
        }

        if (IsReleased)
        {
            // It was over before it was there to be told, and to be removed.
            Leave();
            released.TrySetResult();
        }

        return released.Task;
    }

    /// <summary>From now on the peer only costs: it has everything, and one that waits longer may end this close without a loss.</summary>
    private void CountAgainstOthers()
    {
        // Also by a heartbeat that began before this close left it.
        if (Interlocked.Exchange(ref _isCounted, 1) == 0)
        {
            _settings.Lingering.Add(this);
            if (IsReleased)
            {
                Leave(); // It was over before it was there to be removed.
            }
        }
    }

    /// <summary>True if the peer has everything that it needs: with its FIN it waits for ours no more.</summary>
    private bool IsTaken(int unacknowledged) => unacknowledged <= (_discardEnd == DiscardEnd.PeerClosed ? OnlyFin : 0);

    /// <summary>The peer's time is over.</summary>
    private void End()
    {
        var unacknowledged = _socket.Unacknowledged;
        if (unacknowledged > OnlyFin)
        {
            // Left to the kernel, they would stay there for as long as the peer answers its probes.
            _connection.IsUnflushed = true;
            Release(reset: true);
            return;
        }

        Release(reset: unacknowledged is not null && _discardEnd != DiscardEnd.PeerClosed);
    }

    private void Release(bool reset)
    {
        // The peer's FIN, the heartbeat, another close and an abort may come together.
        if (Interlocked.Exchange(ref _isReleased, 1) != 0)
        {
            return;
        }

        // An abort may have told the handler, which ended, and not be at its reset yet: the peer must not take it for an end.
        if (reset || _connection.AbortReason is not null)
        {
            _socket.Abort();
        }
        else
        {
            _socket.Dispose();
        }

        Leave();
        _released?.TrySetResult();
    }

    private void Leave()
    {
        _settings.Lingering.Remove(this);
        _settings.Heartbeat.Remove(this);
    }
}
