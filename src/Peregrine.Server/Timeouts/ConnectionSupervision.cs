using System.IO.Pipelines;
using System.Net.NetworkInformation;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Connections;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Timeouts;

/// <summary>Keeps one connection within its limits: the heartbeat looks at it, and what is over ends it.</summary>
internal sealed class ConnectionSupervision : IConnectionTimeoutFeature, IConnectionHandshakeFeature, IConnectionRefusalFeature,
    IUnsentBytesLimit
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    private readonly ServerConnection _owner;

    // Taken at the start: the table of features is not for other threads.
    private readonly IConnectionByteCountFeature? _counts;

    // As above, and anew when a handshake ends: middleware such as TLS keeps bytes of its own.
    private volatile IConnectionBufferFeature? _buffers;
    private volatile ITlsConnectionFeature? _tls;
    private PeerProgress _progress;
    private TimeoutOverrides? _overrides;
    private HandshakeTurn? _handshake;
    private int _isRefused;
    private int _changes;
    private uint _lookedAt;

    public ConnectionSupervision(ServerConnection owner)
    {
        _owner = owner;
        _progress = new PeerProgress(Endpoint.Server.Clock.Now);
        var features = owner.Context.Features;
        _counts = features.Get<IConnectionByteCountFeature>();
        _buffers = features.Get<IConnectionBufferFeature>();
        _buffers?.UnsentBytesLimit = this;
        features.Set<IConnectionTimeoutFeature>(this);
        features.Set<IConnectionHandshakeFeature>(this);
        features.Set<IConnectionRefusalFeature>(this);
    }

    /// <summary>It was ended by a timeout or a limit.</summary>
    public bool IsRefused => Volatile.Read(ref _isRefused) != 0;

    /// <summary>Bytes in its buffers.</summary>
    public long BufferedBytes => _buffers is { } buffers ? buffers.UnreadMemoryInBytes + buffers.UnsentBytes : 0;

    /// <summary>The same, but for one that gives them back.</summary>
    public long KeptBytes => IsRefused ? 0 : BufferedBytes;

    /// <summary>Its transport's, if it tells.</summary>
    public IConnectionBufferFeature? Buffers => _buffers;

    /// <summary>What it has moved by now.</summary>
    public TrafficCounts Traffic => _counts is null ? default : new(_counts.BytesReceived, _counts.BytesSent, _buffers?.SendPendingTime ?? TimeSpan.Zero);

    /// <summary>How many bytes have passed, if its transport tells.</summary>
    public IConnectionByteCountFeature? Counts => _counts;

    /// <summary>What the last handshake has brought, if it was one of TLS.</summary>
    public ITlsConnectionFeature? Tls => _tls;

    /// <summary>How long ago a beat has seen its peer send or acknowledge something; null where nothing counts that.</summary>
    public TimeSpan? Quiet => _counts is null ? null : _progress.Quiet(Endpoint.Server.Clock.Now);

    /// <summary>How often what <see cref="Look"/> goes by has changed.</summary>
    public int Changes => unchecked(Volatile.Read(ref _changes) + Endpoint.Changes);

    /// <summary>How many bytes its peer has moved between the last two beats.</summary>
    public uint Moved => _progress.Moved;

    public TimeSpan FirstByte
    {
        get => Get(Now.FirstByte);
        set
        {
            Overrides.FirstByte = Checked(value);
            EndRest();
        }
    }

    public TimeSpan Handshake
    {
        get => Get(Now.Handshake);
        set
        {
            Overrides.Handshake = Checked(value);
            EndRest();
        }
    }

    public TimeSpan Idle
    {
        get => Get(Now.Idle);
        set
        {
            Overrides.Idle = Checked(value);
            EndRest();
        }
    }

    public TimeSpan WriteProgress
    {
        get => Get(Now.WriteProgress);
        set
        {
            Overrides.WriteProgress = Checked(value);
            EndRest();
        }
    }

    public int MinReadRateInBytesPerSecond
    {
        get => Now.MinReadRateInBytesPerSecond;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            Overrides.MinReadRateInBytesPerSecond = value;
            EndRest();
        }
    }

    public TimeSpan MinReadRateGrace
    {
        get => Get(Now.MinReadRateGrace);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.FromSeconds(1));
            Overrides.MinReadRateGrace = Checked(value);
            EndRest();
        }
    }

    public bool IsInHandshake => Volatile.Read(ref _handshake) is not null;

    long IUnsentBytesLimit.MaxUnsentBytes => Endpoint.MostUnsentBytes;

    private EndpointSupervision Endpoint => _owner.Supervised;

    /// <summary>The peer has reset the connection, or answers no probes, and nobody has looked. Two system calls.</summary>
    private bool IsPeerGone =>
        _owner.Context.Features.Get<IConnectionTcpInfoFeature>() is { } tcp && tcp.TryGetTcpInfo(out var info) && info.State == TcpState.Closed;

    private TimeoutValues Now => Over(Endpoint.Timeouts);

    private TimeoutOverrides Overrides =>
        Volatile.Read(ref _overrides) ?? Interlocked.CompareExchange(ref _overrides, new TimeoutOverrides(), null) ?? _overrides;

    /// <param name="now">The heartbeat's time.</param>
    /// <param name="elapsed">Since its last beat.</param>
    /// <param name="isClosing">The handler is done.</param>
    /// <param name="rest">How long it needs no other look, unless something happens.</param>
    /// <returns>How many bytes it keeps in buffers.</returns>
    public long Look(uint now, uint elapsed, bool isClosing, out Rest rest)
    {
        rest = default;
        if (IsRefused || _lookedAt == now)
        {
            return 0;
        }

        _lookedAt = now;
        var stamp = _buffers?.ActivityStamp; // Before the look: what happens meanwhile makes it another.
        var limits = Now;
        var turn = Volatile.Read(ref _handshake);
        var over = turn is not null && limits.Handshake > 0 && PeerProgress.Since(turn.StartedAt, now) >= limits.Handshake
            ? ConnectionCloseReason.HandshakeTimeout
            : _counts is null ? ConnectionCloseReason.None
            : _progress.Look(now, elapsed, _counts, _buffers, limits, isClosing);
        if (over == ConnectionCloseReason.None && _progress.IsExcused && IsPeerGone)
        {
            over = ConnectionCloseReason.IdleTimeout;
        }

        if (over != ConnectionCloseReason.None)
        {
            Refuse(over, TimeoutExplanation.Of(over, limits, _overrides, $"Peregrine:Endpoints:{Endpoint.Name}:Timeouts:"));
            return 0;
        }

        var kept = BufferedBytes;
        if (kept == 0 && turn is null && _counts is not null && stamp is { } unchanged)
        {
            rest = new Rest(unchanged, now, _progress.QuietTime(now, _counts, _buffers, limits));
        }

        return kept;
    }

    /// <summary>Counts and logs a connection that a limit or a timeout has ended.</summary>
    public void Tell(ConnectionCloseReason reason, string explanation) =>
        Endpoint.Server.Report.Ended(Endpoint.Name, reason, _owner.Context.ConnectionId, _owner.Context.RemoteEndPoint, explanation);

    /// <summary>Resets the connection, for a reason that its handler is told.</summary>
    public void Refuse(ConnectionCloseReason reason, string explanation)
    {
        if (Interlocked.Exchange(ref _isRefused, 1) != 0)
        {
            return;
        }

        // First: the handler may be done as soon as it hears of it.
        _owner.SetReason(reason);
        var exception = new ConnectionAbortedException(explanation);
        Tell(reason, explanation);
        if (Volatile.Read(ref _handshake) is { } turn)
        {
            Endpoint.Server.Handshakes.Leave(turn, exception);
        }

        _owner.Abort(reason, exception);
    }

    void IUnsentBytesLimit.OnExceeded(long unsentBytes) => Refuse(
        ConnectionCloseReason.SlowConsumer,
        $"{unsentBytes} bytes were written and not sent, and the peer did not take them: Peregrine:Endpoints:{Endpoint.Name}:Limits:MaxUnsentBytes ({Endpoint.Options.Limits.MaxUnsentBytes}, {nameof(EndpointLimits.SlowConsumers)} = {Endpoint.Options.Limits.SlowConsumers}) bounds them. Await flushes, or raise it.");

    public ValueTask BeginHandshakeAsync(CancellationToken cancellationToken = default) => BeginHandshakeAsync(firstBytes: null, cancellationToken);

    public ValueTask BeginHandshakeWhenPeerSpeaksAsync(PipeReader input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        return BeginHandshakeAsync(input, cancellationToken);
    }

    private async ValueTask BeginHandshakeAsync(PipeReader? firstBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var turn = new HandshakeTurn(Endpoint.Server.Clock.Now);
        if (Interlocked.CompareExchange(ref _handshake, turn, null) is not null)
        {
            throw new InvalidOperationException("A connection has one handshake at a time: end the one that has begun.");
        }

        EndRest();
        _owner.OnHandshake(hasBegun: true);

        try
        {
            // A refusal that came before the turn was there to be told is seen here; one that comes later sees the turn.
            if (IsRefused)
            {
                throw new ConnectionAbortedException("The connection was ended before its handshake began.");
            }

            if (firstBytes is not null)
            {
                await WaitForPeerAsync(firstBytes, cancellationToken).ConfigureAwait(false);
            }

            if (!Endpoint.Server.Handshakes.Enter(turn))
            {
                await WaitAsync(turn, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            EndHandshake();
            throw;
        }
    }

    public void EndHandshake()
    {
        if (Interlocked.Exchange(ref _handshake, null) is { } turn)
        {
            _buffers = _owner.Context.Features.Get<IConnectionBufferFeature>();
            _tls = _owner.Context.Features.Get<ITlsConnectionFeature>();
            EndRest();
            _owner.OnHandshake(hasBegun: false);
            Endpoint.Server.Handshakes.Leave(turn, new ConnectionAbortedException("The handshake was ended before its turn."));
        }
    }

    /// <summary>Takes nothing, and leaves an end of the connection to whoever reads.</summary>
    private static async ValueTask WaitForPeerAsync(PipeReader input, CancellationToken cancellationToken)
    {
        try
        {
            ReadResult read;
            do
            {
                read = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
                input.AdvanceTo(read.Buffer.Start);
            }
            while (read is { IsCanceled: true, IsCompleted: false, Buffer.IsEmpty: true });
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The next read fails like this one.
        }
    }

    private async Task WaitAsync(HandshakeTurn turn, CancellationToken cancellationToken)
    {
        var slots = Endpoint.Server.Handshakes;
        using var closed = _owner.Context.ConnectionClosed.UnsafeRegister(
            _ =>
            {
                // A peer that has sent its FIN may have sent all that is needed before it.
                if (_owner.Reason != ConnectionCloseReason.PeerClosed)
                {
                    slots.Leave(turn, new ConnectionAbortedException("The connection ended before its handshake had its turn."));
                }
            },
            null);
        using var canceled = cancellationToken.UnsafeRegister(
            (_, token) => slots.Leave(turn, new OperationCanceledException(token)), null);
        await turn.Granted.ConfigureAwait(false);
    }

    /// <summary>Something has changed that the next beat must see.</summary>
    private void EndRest()
    {
        Interlocked.Increment(ref _changes);
        _owner.EndRest();
    }

    private TimeoutValues Over(in TimeoutValues endpoint) => Volatile.Read(ref _overrides) is { } overrides ? overrides.Over(endpoint) : endpoint;

    private static TimeSpan Get(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static int Checked(TimeSpan value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Longest);
        return TimeoutValues.Milliseconds(value);
    }
}
