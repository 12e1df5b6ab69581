using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Admission;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Connections;

/// <summary>What the connections of an endpoint share.</summary>
internal sealed record ConnectionContract(
    string Endpoint, string Transport, ConnectionDelegate Pipeline, TimeSpan ClientCloseGrace, EndpointAdmission Admission, EndpointSupervision Supervision,
    ServerMetrics Metrics, TimeProvider Clock,
    ILogger Logger);

/// <summary>Every live connection of an endpoint. Safe to use from any thread.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A CancellationTokenSource without a timer holds nothing to dispose.")]
internal sealed class ConnectionTracker
{
    private readonly ConnectionContract _contract;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _graceOver = new();

    // Under the lock.
    private readonly LiveConnections _live = new();
    private List<Waiter>? _waiters;
    private int _timeoutChanges;
    private bool _closing;
    private bool _aborting;
    private long _started;

    public ConnectionTracker(ConnectionContract contract)
    {
        _contract = contract;
        Traffic = new Traffic(this);
    }

    /// <summary>What its connections share.</summary>
    public ConnectionContract Contract => _contract;

    /// <summary>What all of them have moved.</summary>
    public Traffic Traffic { get; }

    /// <summary>Nobody waits any more for peers to close first.</summary>
    public CancellationToken GraceOver => _graceOver.Token;

    /// <summary>How many connections were started, ever.</summary>
    public long Started => Interlocked.Read(ref _started);

    public int Count => _live.Count;

    public IReadOnlyCollection<ServerConnection> Live
    {
        get
        {
            lock (_lock)
            {
                return _live.ToArray();
            }
        }
    }

    /// <summary>Adds some of the connections that do not rest, those before <paramref name="end"/>, and returns where the next ones end; 0 at the last.</summary>
    public int AddAwake(int end, uint now, List<ServerConnection> awake)
    {
        lock (_lock)
        {
            var changes = _contract.Supervision.Changes;
            if (_timeoutChanges != changes)
            {
                _timeoutChanges = changes;
                _live.EndRests();
            }

            return _live.AddAwake(end, now, awake);
        }
    }

    /// <summary>
    /// Adds some of the connections, those before <paramref name="end"/>, and returns where the next ones end; 0 at the last. One that comes or goes
    /// meanwhile may be met twice; one that stays is never left out.
    /// </summary>
    public int AddSome(int end, List<ServerConnection> connections)
    {
        lock (_lock)
        {
            return _live.AddSome(end, connections);
        }
    }

    /// <summary>Lets a connection rest, unless something has changed since the look.</summary>
    public void LetRest(ServerConnection connection, in Rest rest, int changes)
    {
        lock (_lock)
        {
            if (connection.Supervision.Changes == changes)
            {
                _live.LetRest(connection, rest);
            }
        }
    }

    /// <summary>The next beat looks at it.</summary>
    public void EndRest(ServerConnection connection)
    {
        lock (_lock)
        {
            _live.LetRest(connection, default);
        }
    }

    /// <summary>
    /// Starts a connection where its scheduling wants it, on the thread pool if it has none, so that neither its middleware nor its handler can hold
    /// up the caller.
    /// </summary>
    /// <param name="context">It has its place.</param>
    /// <param name="network">For whom it is counted until it is removed.</param>
    /// <exception cref="Exception">A transport may bring features that cannot be replaced, or fail to make them: it is not started.</exception>
    public void Start(ConnectionContext context, PeerNetwork network)
    {
        var connection = new ServerConnection(context, this, network);

        bool closing, aborting;
        lock (_lock)
        {
            _started++;
            _live.Add(connection);
            (closing, aborting) = (_closing, _aborting);
        }

        if (closing)
        {
            connection.RequestClose();
        }

        if (aborting)
        {
            connection.Abort();
        }

        try
        {
            connection.Schedule();
        }
        catch when (TryUnlist(connection))
        {
            throw; // Unless it runs, and has ended already.
        }
    }

    /// <summary>A connection is gone.</summary>
    public void Remove(ServerConnection connection)
    {
        Traffic.Look(connection); // While it is still there, so that nobody finds it neither here nor there.
        if (TryUnlist(connection))
        {
            _contract.Admission.Leave(connection.Network);
        }
    }

    /// <summary>False if it is gone already.</summary>
    private bool TryUnlist(ServerConnection connection)
    {
        List<Waiter>? done = null;
        lock (_lock)
        {
            if (!_live.Remove(connection))
            {
                return false;
            }

            if (_waiters is not null)
            {
                done = _waiters.FindAll(waiter => _live.Count <= waiter.AtMost);
                _waiters.RemoveAll(done.Contains);
            }
        }

        done?.ForEach(static waiter => waiter.Done.SetResult());
        return true;
    }

    /// <summary>Completes when there are no more than so many connections.</summary>
    public async Task WaitAsync(int atMost, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_live.Count <= atMost)
            {
                return;
            }

            waiter = new Waiter(atMost);
            (_waiters ??= []).Add(waiter);
        }

        try
        {
            await waiter.Done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                _waiters.Remove(waiter);
            }
        }
    }

    /// <summary>Asks every connection to end, those too that are started later.</summary>
    public void RequestClose()
    {
        ServerConnection[] live;
        lock (_lock)
        {
            _closing = true;
            live = _live.ToArray();
        }

        foreach (var connection in live)
        {
            connection.RequestClose();
        }
    }

    /// <summary>Closes every connection that waits for its peer to close first, those too that would.</summary>
    public void EndGrace() => _graceOver.Cancel();

    /// <summary>Resets every connection, those too that are started later.</summary>
    /// <returns>Those that were there.</returns>
    public IReadOnlyCollection<ServerConnection> Abort()
    {
        ServerConnection[] live;
        lock (_lock)
        {
            _aborting = true;
            live = _live.ToArray();
        }

        foreach (var connection in live)
        {
            connection.Abort();
        }

        return live;
    }

    private sealed class Waiter(int atMost)
    {
        public int AtMost => atMost;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
