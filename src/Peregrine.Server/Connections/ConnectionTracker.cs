using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Admission;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Connections;

/// <summary>What the connections of an endpoint share.</summary>
internal sealed record ConnectionContract(
    string Endpoint, ConnectionDelegate Pipeline, TimeSpan ClientCloseGrace, EndpointAdmission Admission, EndpointSupervision Supervision,
    ServerMetrics Metrics, TimeProvider Clock,
    ILogger Logger);

/// <summary>Every live connection of an endpoint. Safe to use from any thread.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A CancellationTokenSource without a timer holds nothing to dispose.")]
internal sealed class ConnectionTracker(ConnectionContract contract)
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _graceOver = new();

    // Under the lock. A list through the connections themselves: a table would cost each of them 40 bytes, and be copied as it grows.
    private ServerConnection? _first;
    private List<Waiter>? _waiters;
    private int _count;
    private bool _closing;
    private bool _aborting;
    private long _started;

    /// <summary>What its connections share.</summary>
    public ConnectionContract Contract => contract;

    /// <summary>Nobody waits any more for peers to close first.</summary>
    public CancellationToken GraceOver => _graceOver.Token;

    /// <summary>How many connections were started, ever.</summary>
    public long Started => Interlocked.Read(ref _started);

    public int Count => Volatile.Read(ref _count);

    public IReadOnlyCollection<ServerConnection> Live
    {
        get
        {
            lock (_lock)
            {
                return CopyLocked();
            }
        }
    }

    /// <summary>Copies every live connection into an array, which is replaced if it is too small, and returns how many there are.</summary>
    public int CopyTo(ref ServerConnection?[] connections)
    {
        lock (_lock)
        {
            if (connections.Length < _count)
            {
                connections = new ServerConnection?[Math.Max(_count, 2 * connections.Length)];
            }

            var index = 0;
            for (var connection = _first; connection is not null; connection = connection.Next)
            {
                connections[index++] = connection;
            }

            return index;
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
            AddLocked(connection);
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
        if (TryUnlist(connection))
        {
            contract.Admission.Leave(connection.Network);
        }
    }

    /// <summary>False if it is gone already.</summary>
    private bool TryUnlist(ServerConnection connection)
    {
        List<Waiter>? done = null;
        lock (_lock)
        {
            if (!connection.IsListed)
            {
                return false;
            }

            connection.IsListed = false;
            _count--;
            connection.Next?.Previous = connection.Previous;
            if (connection.Previous is { } previous)
            {
                previous.Next = connection.Next;
            }
            else
            {
                _first = connection.Next;
            }

            connection.Next = null;
            connection.Previous = null;
            if (_waiters is not null)
            {
                done = _waiters.FindAll(waiter => _count <= waiter.AtMost);
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
            if (_count <= atMost)
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
            live = CopyLocked();
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
            live = CopyLocked();
        }

        foreach (var connection in live)
        {
            connection.Abort();
        }

        return live;
    }

    private void AddLocked(ServerConnection connection)
    {
        _count++;
        connection.IsListed = true;
        connection.Next = _first;
        _first?.Previous = connection;
        _first = connection;
    }

    private ServerConnection[] CopyLocked()
    {
        var live = new ServerConnection[_count];
        var index = 0;
        for (var connection = _first; connection is not null; connection = connection.Next)
        {
            live[index++] = connection;
        }

        return live;
    }

    private sealed class Waiter(int atMost)
    {
        public int AtMost => atMost;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
