using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Server.Admission;

/// <summary>
/// The places for connections: those of the server, and of each endpoint. A loop that waits in an accept holds none, so that it keeps none from
/// another endpoint; a connection that was accepted while the last place went elsewhere waits for the next, in turn. Safe to use from any thread.
/// </summary>
internal sealed class Places
{
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly LinkedList<Held> _held = [];
    private readonly List<RoomWaiter> _waiting = [];
    private int _max = int.MaxValue;
    private int _count;
    private TaskCompletionSource? _stopBlocked;

    /// <summary>How many are taken.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many connections are accepted and wait for a place.</summary>
    public int HeldCount
    {
        get
        {
            lock (_lock)
            {
                return _held.Count;
            }
        }
    }

    /// <summary>How many there are. Lowered, it takes none away.</summary>
    public int Max
    {
        get => Volatile.Read(ref _max);
        set => Change(() => _max = value);
    }

    /// <summary>Changes a bound, and wakes whom it helps.</summary>
    public void Change(Action change)
    {
        Woken woken;
        lock (_lock)
        {
            change();
            woken = WakeLocked();
        }

        woken.Complete();
    }

    public bool HasRoom(EndpointPlaces endpoint)
    {
        lock (_lock)
        {
            return HasRoomLocked(endpoint);
        }
    }

    public bool TryTake(EndpointPlaces endpoint)
    {
        lock (_lock)
        {
            // Nobody is overtaken: whoever waits could not have this one.
            return TryTakeLocked(endpoint);
        }
    }

    public void Return(EndpointPlaces endpoint)
    {
        Woken woken;
        lock (_lock)
        {
            _count--;
            endpoint.Count--;
            if (_held.Count == 0 && _waiting.Count == 0)
            {
                return;
            }

            woken = WakeLocked();
        }

        woken.Complete();
    }

    /// <summary>Completes when there may be a place, none of which is taken by it; at once if there is one.</summary>
    public async Task WaitForRoomAsync(EndpointPlaces endpoint, CancellationToken cancellationToken)
    {
        RoomWaiter waiter;
        lock (_lock)
        {
            if (HasRoomLocked(endpoint))
            {
                return;
            }

            waiter = new RoomWaiter(endpoint);
            _waiting.Add(waiter);
        }

        await ((Task)waiter.Ready.Task.WaitAsync(cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _waiting.Remove(waiter);
        }
    }

    /// <summary>Takes a place for a connection that is there already, when its turn comes.</summary>
    /// <returns>False if it was cancelled first.</returns>
    public async Task<bool> TakeAsync(EndpointPlaces endpoint, CancellationToken cancellationToken)
    {
        LinkedListNode<Held> node;
        lock (_lock)
        {
            if (TryTakeLocked(endpoint))
            {
                return true;
            }

            node = _held.AddLast(new Held(endpoint));
            _stopBlocked?.TrySetResult();
        }

        await ((Task)node.Value.Taken.Task.WaitAsync(cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            // Given or cancelled, whichever was first under the lock.
            if (node.List is null)
            {
                return true;
            }

            _held.Remove(node);
            return false;
        }
    }

    /// <summary>Completes when a connection waits for a place: until others end, the queues cannot be emptied. For the server's stop.</summary>
    public Task WhenBlockedAsync()
    {
        lock (_lock)
        {
            _stopBlocked ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_held.Count > 0)
            {
                _stopBlocked.TrySetResult();
            }

            return _stopBlocked.Task;
        }
    }

    private bool HasRoomLocked(EndpointPlaces endpoint) => _count < _max && endpoint.Count < endpoint.Max;

    private bool TryTakeLocked(EndpointPlaces endpoint)
    {
        if (!HasRoomLocked(endpoint))
        {
            return false;
        }

        _count++;
        endpoint.Count++;
        return true;
    }

    /// <summary>Connections that are there come first, in their order; then every loop that could accept: who has nothing queued takes nothing.</summary>
    private Woken WakeLocked()
    {
        var woken = default(Woken);
        for (var node = _held.First; node is not null && _count < _max;)
        {
            var next = node.Next;
            if (TryTakeLocked(node.Value.Endpoint))
            {
                _held.Remove(node);
                woken.Add(node.Value.Taken);
            }

            node = next;
        }

        foreach (var waiter in _waiting)
        {
            if (HasRoomLocked(waiter.Endpoint))
            {
                woken.Add(waiter.Ready);
            }
        }

        return woken;
    }

    private sealed class Held(EndpointPlaces endpoint)
    {
        public EndpointPlaces Endpoint => endpoint;

        public TaskCompletionSource Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class RoomWaiter(EndpointPlaces endpoint)
    {
        public EndpointPlaces Endpoint => endpoint;

        public TaskCompletionSource Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Whom to wake when the lock is left.</summary>
    [SuppressMessage("Performance", "CA1815", Justification = "Never compared.")]
    private struct Woken
    {
        private List<TaskCompletionSource>? _all;

        public void Add(TaskCompletionSource one) => (_all ??= []).Add(one);

        public readonly void Complete() => _all?.ForEach(static one => one.TrySetResult());
    }
}

/// <summary>The places of an endpoint. Both numbers belong to <see cref="Places"/>, under its lock.</summary>
internal sealed class EndpointPlaces
{
    public int Count { get; set; }

    public int Max { get; set; } = int.MaxValue;
}
