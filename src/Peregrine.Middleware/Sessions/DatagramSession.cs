using Peregrine.Middleware.Sessions;

namespace Peregrine.Middleware;

/// <summary>
/// The datagrams of one peer, of those that share an endpoint: to be enumerated as they come, each as it was sent, and with a way to answer.
/// </summary>
/// <remarks>
/// <para>
/// The enumeration ends when the session does, and <see cref="EndReason"/> says why. One enumeration at a time; the payload of a datagram is valid until the next is asked for. The
/// other members are safe to use from any thread.
/// </para>
/// <para>
/// The session sends to the address it began with. Nothing that is received changes that, since every source address may be forged: where sessions have identifiers
/// (<see cref="DatagramSessionOptions.KeySelector"/>), and a peer comes from another address, the application makes sure that it is there, as with a challenge (<see cref="TryAnswer"/>; RFC
/// 9000 §8.2), and moves the session (<see cref="TryMoveTo"/>).
/// </para>
/// </remarks>
public sealed class DatagramSession : IAsyncEnumerable<Datagram>
{
    private readonly Lock _sync = new();
    private readonly SessionMiddleware _owner;
    private readonly SessionQueue _queue;
    private DatagramSender _sender;
    private DatagramPath _path;
    private long _allowance;
    private long _lastReceived;
    private int _endReason = -1;
    private bool _isValidated;
    private bool _isClosed;

    internal DatagramSession(SessionMiddleware owner, long id, SessionKey key, in DatagramPath path, DatagramSender sender, bool isValidated, long now)
    {
        _owner = owner;
        _sender = sender;
        _path = path;
        _isValidated = isValidated;
        _lastReceived = now;
        _queue = owner.CreateQueue(_sync);
        Id = id;
        Key = key;
        ListNode = new LinkedListNode<DatagramSession>(this);
        UnvalidatedNode = isValidated ? null : new LinkedListNode<DatagramSession>(this);
    }

    /// <summary>Its number, from 1: those of an endpoint's sessions differ.</summary>
    public long Id { get; }

    /// <summary>Where it sends to, and from where.</summary>
    public DatagramPath Path
    {
        get
        {
            lock (_sync)
            {
                return _path;
            }
        }
    }

    /// <summary>The address it sends to. A datagram has its own (<see cref="Datagram.RemoteAddress"/>), which may be another one where sessions have identifiers.</summary>
    public DatagramAddress RemoteAddress => Path.RemoteAddress;

    /// <summary>
    /// Whether it is known that the peer has the address. Before, what is sent to it is at most three times what has come from it (RFC 9000 §8.1), and another peer may take its place.
    /// </summary>
    public bool IsValidated => Volatile.Read(ref _isValidated);

    /// <summary>Why it has ended; null while it has not.</summary>
    public DatagramSessionEndReason? EndReason => Volatile.Read(ref _endReason) is var reason and >= 0 ? (DatagramSessionEndReason)reason : null;

    /// <summary>Cancelled when the endpoint begins to stop. One for all of its sessions.</summary>
    public CancellationToken Stopping => _owner.Stopping;

    /// <summary>Whatever the application wants to find here. Default null.</summary>
    public object? State { get; set; }

    /// <summary>In the table's lists: in one at a time. Changed under the table's lock.</summary>
    internal LinkedListNode<DatagramSession> ListNode { get; }

    /// <summary>Null for a session that began as a validated one.</summary>
    internal LinkedListNode<DatagramSession>? UnvalidatedNode { get; }

    /// <summary>The next older one of <see cref="NetworkSessions"/>. Changed under the table's lock.</summary>
    internal DatagramSession? OlderOfNetwork { get; set; }

    /// <inheritdoc cref="OlderOfNetwork"/>
    internal DatagramSession? NewerOfNetwork { get; set; }

    internal SessionMiddleware Owner => _owner;

    internal SessionKey Key { get; }

    /// <summary>By the clock's timestamps.</summary>
    internal long LastReceived => Volatile.Read(ref _lastReceived);

    /// <summary>
    /// What it sends to is the peer's: it has shown that it receives there, as by sending back what it could not have guessed. The limits for peers that are not validated end. No effect on
    /// a session that is validated, or has ended.
    /// </summary>
    public void Validate() => _owner.Table.Validate(this);

    /// <summary>
    /// Sends to another address from now on, where sessions have identifiers. The application vouches for it: that the peer receives there, and that it is the same peer. The session is
    /// validated then.
    /// </summary>
    /// <param name="path">That of a datagram that has come from there.</param>
    /// <returns>False if the session has ended, or the new address has <see cref="DatagramSessionOptions.MaxSessionsPerAddress"/> sessions, all validated: then nothing changes.</returns>
    /// <exception cref="InvalidOperationException">The sessions of the endpoint are those of addresses.</exception>
    public bool TryMoveTo(in DatagramPath path)
    {
        if (!_owner.HasIdentifiers)
        {
            throw new InvalidOperationException($"The session is that of an address, and cannot move: set {nameof(DatagramSessionOptions.KeySelector)} for sessions with identifiers.");
        }

        return _owner.TryMove(this, in path);
    }

    /// <summary>Queues a copy of the payload to be sent to the peer, without waiting.</summary>
    /// <param name="payload">May be empty.</param>
    /// <param name="marks">For its header; what is null is that of the socket.</param>
    /// <returns>
    /// False if it is dropped, and counted: the peer is not validated, and has sent too little (<see cref="DatagramDropReason.AmplificationLimit"/>); the session is closed, or the endpoint is,
    /// for good or while it is suspended (<see cref="DatagramDropReason.SendFailed"/>); or the queue of the endpoint is full (<see cref="DatagramDropReason.SendQueueFull"/>).
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">As with <see cref="DatagramSender.TrySend"/>.</exception>
    public bool TrySend(ReadOnlySpan<byte> payload, DatagramMarks marks = default)
    {
        var refusal = Spend(payload.Length, out var path, out var sender);

        return refusal is null ? TrySendBy(sender, payload, in path, marks) : Refuse(refusal.Value);
    }

    /// <summary>Queues a copy of the payload to be sent to the peer, and waits for room while the queue of the endpoint is full.</summary>
    /// <param name="payload">May be empty; it may be used again when the task completes.</param>
    /// <param name="marks">For its header; what is null is that of the socket.</param>
    /// <param name="cancellationToken">Ends the wait; the datagram is not sent then.</param>
    /// <returns>False if it is dropped at once, and counted: as with <see cref="TrySend"/>, without waiting.</returns>
    /// <exception cref="ArgumentOutOfRangeException">As with <see cref="DatagramSender.TrySend"/>.</exception>
    public ValueTask<bool> SendAsync(ReadOnlyMemory<byte> payload, DatagramMarks marks = default, CancellationToken cancellationToken = default)
    {
        var refusal = Spend(payload.Length, out var path, out var sender);

        if (refusal is { } reason)
        {
            return new ValueTask<bool>(Refuse(reason));
        }

        try
        {
            var sending = sender.SendAsync(payload, path, marks, cancellationToken);
            if (!sending.IsCompletedSuccessfully)
            {
                return WaitAsync(sending);
            }

            sending.GetAwaiter().GetResult();
            return new ValueTask<bool>(true);
        }
        catch (ObjectDisposedException)
        {
            return new ValueTask<bool>(Refuse(DatagramDropReason.SendFailed));
        }

        async ValueTask<bool> WaitAsync(ValueTask sending)
        {
            try
            {
                await sending.ConfigureAwait(false);
                return true;
            }
            catch (ObjectDisposedException)
            {
                return Refuse(DatagramDropReason.SendFailed);
            }
        }
    }

    /// <summary>
    /// Answers the datagram that the enumeration is at, by the path that it came by. Where that is not the address that the session sends to, all answers to the datagram have together at
    /// most three times its bytes: nothing proves that who sent it is there.
    /// </summary>
    /// <returns>As with <see cref="TrySend"/>.</returns>
    /// <exception cref="InvalidOperationException">The enumeration is at no datagram.</exception>
    /// <exception cref="ArgumentOutOfRangeException">As with <see cref="DatagramSender.TrySend"/>.</exception>
    public bool TryAnswer(ReadOnlySpan<byte> payload, DatagramMarks marks = default)
    {
        DatagramDropReason? refusal;
        DatagramPath path;
        DatagramSender sender;
        lock (_sync)
        {
            sender = _sender;
            ref var allowance = ref _queue.AnswerLocked(out path);
            refusal = path.RemoteAddress == _path.RemoteAddress ? SpendLocked(payload.Length)
                : _isClosed ? DatagramDropReason.SendFailed
                : Amplification.TrySpend(ref allowance, payload.Length) ? null
                : DatagramDropReason.AmplificationLimit;
        }

        return refusal is null ? TrySendBy(sender, payload, in path, marks) : Refuse(refusal.Value);
    }

    /// <summary>
    /// Ends the session: the enumeration ends at once, what is queued is dropped, and counted (<see cref="DatagramDropReason.SessionEnded"/>), and nothing more is sent. The next datagram of the peer
    /// is that of a newcomer. A peer is not told: there is no close in UDP.
    /// </summary>
    public void Close() => _owner.End(this, DatagramSessionEndReason.Closed);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is enumerated already.</exception>
    public IAsyncEnumerator<Datagram> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        _queue.Begin(cancellationToken);
        return _queue;
    }

    /// <summary>Takes a datagram, or drops and counts it.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="sender">That of the socket by which it came.</param>
    /// <param name="now">The clock's time.</param>
    /// <param name="answered">The bytes that were answered to it already.</param>
    /// <returns>False if the session has ended: then it is not counted.</returns>
    internal bool TryReceive(in Datagram datagram, DatagramSender sender, long now, int answered)
    {
        bool wake;
        lock (_sync)
        {
            if (_endReason >= 0)
            {
                return false;
            }

            Volatile.Write(ref _lastReceived, now);

            // A session outlives a socket that an endpoint closes and binds again.
            _sender = sender;
            if (!_isValidated && datagram.RemoteAddress == _path.RemoteAddress)
            {
                _allowance += Amplification.AllowanceOf(datagram.Payload.Length) - answered;
            }

            wake = _queue.PushLocked(in datagram, answered);
        }

        if (wake)
        {
            _queue.Wake();
        }

        return true;
    }

    /// <summary>Gives it its reason; once. Under the table's lock: whoever sees that it has ended finds it in the table no more.</summary>
    /// <returns>Whether <see cref="Wake"/> is to be called, after the lock is left.</returns>
    internal bool EndLocked(DatagramSessionEndReason reason)
    {
        lock (_sync)
        {
            Volatile.Write(ref _endReason, (int)reason);
            return _queue.CompleteLocked();
        }
    }

    /// <summary>Ends sending, and drops what is queued.</summary>
    internal void Shut(DatagramDropReason reason)
    {
        lock (_sync)
        {
            _isClosed = true;
            _queue.DiscardLocked(reason);
        }
    }

    /// <summary>The handler has returned, or is not called: whatever the session keeps is given back.</summary>
    internal void Finish()
    {
        lock (_sync)
        {
            _isClosed = true;
            _queue.DiscardLocked(DatagramDropReason.SessionEnded);
            _queue.ReleaseCurrentLocked();
        }
    }

    internal void Wake() => _queue.Wake();

    internal void SetValidatedLocked()
    {
        lock (_sync)
        {
            Volatile.Write(ref _isValidated, true);
        }
    }

    internal void SetPathLocked(in DatagramPath path)
    {
        lock (_sync)
        {
            _path = path;
        }
    }

    private DatagramDropReason? Spend(int bytes, out DatagramPath path, out DatagramSender sender)
    {
        lock (_sync)
        {
            (path, sender) = (_path, _sender);
            return SpendLocked(bytes);
        }
    }

    private DatagramDropReason? SpendLocked(int bytes) =>
        _isClosed ? DatagramDropReason.SendFailed
        : _isValidated || Amplification.TrySpend(ref _allowance, bytes) ? null
        : DatagramDropReason.AmplificationLimit;

    private bool TrySendBy(DatagramSender sender, ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks)
    {
        try
        {
            return sender.TrySend(payload, in path, marks);
        }
        catch (ObjectDisposedException)
        {
            // Of the socket of an endpoint that is suspended: the session goes on when it is resumed, and so should who sends by a clock.
            return Refuse(DatagramDropReason.SendFailed);
        }
    }

    private bool Refuse(DatagramDropReason reason)
    {
        _owner.Counters.AddDropped(reason);
        return false;
    }
}
