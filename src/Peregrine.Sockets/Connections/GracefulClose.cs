using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// The close sequence: send what is left, FIN, discard until the peer's FIN, release the socket. Each step is bounded
/// (<see cref="CloseTimeouts"/>) by the transport's heartbeat.
/// </summary>
internal sealed class GracefulClose<TSocket> : IHeartbeatListener
    where TSocket : struct, IStreamSocket
{
    private readonly StreamConnection<TSocket> _connection;
    private readonly TSocket _socket;
    private readonly SocketPipeReader<TSocket> _reader;
    private readonly SocketPipeWriter<TSocket> _writer;
    private readonly StreamSettings _settings;
    private readonly TaskCompletionSource _silent = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private InputDiscard<TSocket>? _discard;
    private long _started;
    private long _lastProgress;
    private long _progress;

    public GracefulClose(
        StreamConnection<TSocket> connection, TSocket socket, SocketPipeReader<TSocket> reader, SocketPipeWriter<TSocket> writer, StreamSettings settings)
    {
        _connection = connection;
        _socket = socket;
        _reader = reader;
        _writer = writer;
        _settings = settings;
        _started = _lastProgress = Clock.GetTimestamp();
    }

    private TimeProvider Clock => _settings.Heartbeat.Clock;

    /// <summary>Completes when all is sent, our FIN too, or the connection has failed.</summary>
    public async Task FinishSendingAsync()
    {
        var drained = _writer.WhenDrainedAsync();
        if (!drained.IsCompleted)
        {
            _settings.Heartbeat.Add(this);
            try
            {
                await drained.ConfigureAwait(false);
            }
            finally
            {
                _settings.Heartbeat.Remove(this);
            }
        }
    }

    /// <summary>Completes when the socket is released: at the peer's FIN, or when the time for it is over.</summary>
    public async Task LingerAsync()
    {
        if (!_connection.HasFailed && !_reader.HasEnded)
        {
            var discard = new InputDiscard<TSocket>(_socket, _settings.Close.DiscardLimitInBytes);
            _started = _lastProgress = Clock.GetTimestamp();
            _progress = 0;
            Volatile.Write(ref _discard, discard);
            if (!_reader.HandOver(discard))
            {
                discard.Run();
            }

            if (!discard.Ended.IsCompleted)
            {
                _settings.Heartbeat.Add(this);
                await Task.WhenAny(discard.Ended, _silent.Task).ConfigureAwait(false);
                _settings.Heartbeat.Remove(this);
            }
        }

        _socket.Dispose();
    }

    void IHeartbeatListener.OnHeartbeat(long now)
    {
        var discard = Volatile.Read(ref _discard);
        var progress = discard?.Bytes ?? _writer.BytesSent;
        if (progress != _progress)
        {
            _progress = progress;
            _lastProgress = now;
        }

        var idle = Clock.GetElapsedTime(_lastProgress, now);
        if (discard is null)
        {
            if (idle >= _settings.Close.SendProgress)
            {
                _connection.Abort(new("The peer did not take what was left to send in time."));
            }
        }
        else if (idle >= _settings.Close.Silence || Clock.GetElapsedTime(_started, now) >= _settings.Close.Total)
        {
            _silent.TrySetResult();
        }
    }
}
