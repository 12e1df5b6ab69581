using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware.Timeouts;

/// <summary>
/// Times the peer of a connection by the reads and flushes that pass: it tells the rules, which are those of the server, what they must know.
/// </summary>
internal sealed class WatchedConnection : IConnectionTimeoutFeature, IConnectionHandshakeFeature, IConnectionByteCountFeature, IConnectionBufferFeature
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    private readonly ConnectionContext _connection;
    private readonly TimeoutWatch _watch;
    private readonly IConnectionCloseFeature? _close;
    private readonly TimeoutOverrides _overrides = new();
    private readonly CountedReader _input;
    private readonly WatchedPipeWriter _output;

    // A look that ends the connection is done before its pipeline has ended, or does not begin.
    private readonly Lock _lock = new();

    // The beat's.
    private PeerProgress _progress;

    // Under the lock.
    private bool _isOver;

    private long _flushesWaited;
    private uint _handshakeAt;
    private int _isInHandshake;

    public WatchedConnection(ConnectionContext connection, TimeoutWatch watch)
    {
        _connection = connection;
        _watch = watch;
        _close = connection.Features.Get<IConnectionCloseFeature>();
        _input = new CountedReader(connection.Transport.Input);
        _output = new WatchedPipeWriter(connection.Transport.Output, () => Interlocked.Increment(ref _flushesWaited), resumesOnThreadPool: false);
    }

    public PipeReader Input => _input;

    public PipeWriter Output => _output;

    /// <summary>In the watch's list; under its lock.</summary>
    public int Index { get; set; }

    public TimeSpan FirstByte
    {
        get => Get(Now.FirstByte);
        set => _overrides.FirstByte = Checked(value);
    }

    public TimeSpan Handshake
    {
        get => Get(Now.Handshake);
        set => _overrides.Handshake = Checked(value);
    }

    public TimeSpan Idle
    {
        get => Get(Now.Idle);
        set => _overrides.Idle = Checked(value);
    }

    public TimeSpan WriteProgress
    {
        get => Get(Now.WriteProgress);
        set => _overrides.WriteProgress = Checked(value);
    }

    public int MinReadRateInBytesPerSecond
    {
        get => Now.MinReadRateInBytesPerSecond;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _overrides.MinReadRateInBytesPerSecond = value;
        }
    }

    public TimeSpan MinReadRateGrace
    {
        get => Get(Now.MinReadRateGrace);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.FromSeconds(1));
            _overrides.MinReadRateGrace = Checked(value);
        }
    }

    public bool IsInHandshake => Volatile.Read(ref _isInHandshake) != 0;

    public long BytesReceived => _input.BytesReceived;

    /// <summary>
    /// A flush that did not have to wait tells nothing of the peer: what this side writes to one that is gone would keep it. One that had to, and has
    /// completed, does.
    /// </summary>
    public long BytesSent => Interlocked.Read(ref _flushesWaited);

    public long UnreadBytes => _input.UnreadBytes;

    public long UnreadMemoryInBytes => UnreadBytes;

    public long UnsentBytes => 0;

    public long? UnacknowledgedBytes => null;

    public long? AcknowledgedBytes => null;

    /// <summary>While nobody reads, there may be some: the peer is not the one that is awaited.</summary>
    public long? UnreceivedBytes => IsReadPending ? 0 : 1;

    public bool IsReadPending => _input.IsReadPending;

    public bool IsSendPending => _output.IsFlushing;

    public IUnsentBytesLimit? UnsentBytesLimit { get; set; }

    private TimeoutValues Now => _overrides.Over(_watch.Values);

    /// <summary>Its time runs from here on.</summary>
    public void Begin() => _progress = new PeerProgress(_watch.Clock.Now);

    public ValueTask BeginHandshakeAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (IsInHandshake)
        {
            throw new InvalidOperationException("A connection has one handshake at a time: end the one that has begun.");
        }

        Volatile.Write(ref _handshakeAt, _watch.Clock.Now);
        Volatile.Write(ref _isInHandshake, 1);
        return default;
    }

    public void EndHandshake() => Volatile.Write(ref _isInHandshake, 0);

    /// <summary>It is looked at no more: what comes behind its pipeline's end is not the peer's fault.</summary>
    public void End()
    {
        lock (_lock)
        {
            _isOver = true;
        }
    }

    /// <summary>Once a second.</summary>
    public void Look(uint now, uint elapsed)
    {
        lock (_lock)
        {
            LookLocked(now, elapsed);
        }
    }

    private void LookLocked(uint now, uint elapsed)
    {
        if (_isOver)
        {
            return;
        }

        var limits = Now;
        var over = IsInHandshake && limits.Handshake > 0 && PeerProgress.Since(Volatile.Read(ref _handshakeAt), now) >= limits.Handshake
            ? ConnectionCloseReason.HandshakeTimeout
            : _progress.Look(now, elapsed, this, this, limits, isClosing: false);
        if (over != ConnectionCloseReason.None)
        {
            _isOver = true;
            _watch.Refuse(_connection, _close, over, TimeoutExplanation.Of(over, limits, _overrides, $"{nameof(TimeoutExtensions.UseTimeouts)}, "));
        }
    }

    private static TimeSpan Get(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static int Checked(TimeSpan value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Longest);
        return TimeoutValues.Milliseconds(value);
    }
}
