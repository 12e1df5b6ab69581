namespace Peregrine.Server.Limits;

/// <summary>Bounds how many handshakes are under way at once; the others wait, first come, first served.</summary>
/// <param name="most">The bound; it may change.</param>
internal sealed class HandshakeSlots(Func<int> most)
{
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly LinkedList<HandshakeTurn> _waiting = [];
    private int _active;

    /// <summary>Takes a slot, or a place in the queue.</summary>
    /// <returns>Whether it is its turn at once. Otherwise <see cref="HandshakeTurn.Granted"/> tells when.</returns>
    public bool Enter(HandshakeTurn turn)
    {
        lock (_lock)
        {
            if (turn.Stage == HandshakeStage.Left)
            {
                return false; // It has failed already, which its task tells.
            }

            if (_waiting.Count == 0 && _active < most())
            {
                _active++;
                turn.Stage = HandshakeStage.Active;
                return true;
            }

            turn.Stage = HandshakeStage.Waiting;
            turn.Place = _waiting.AddLast(turn);
            return false;
        }
    }

    /// <summary>Gives the slot, or the place, up. Any number of times.</summary>
    /// <param name="turn">Whose.</param>
    /// <param name="failure">What the wait fails with.</param>
    public void Leave(HandshakeTurn turn, Exception failure)
    {
        lock (_lock)
        {
            if (turn.Stage == HandshakeStage.Active)
            {
                _active--;
            }
            else if (turn.Place is { } place)
            {
                _waiting.Remove(place);
                turn.Place = null;
            }

            turn.Stage = HandshakeStage.Left;
        }

        turn.Fail(failure);
        Grant();
    }

    /// <summary>Gives free slots to those that wait: one was given up, or the bound has changed.</summary>
    public void Grant()
    {
        while (TakeNext() is { } next)
        {
            next.Grant();
        }
    }

    private HandshakeTurn? TakeNext()
    {
        lock (_lock)
        {
            if (_waiting.First is not { } first || _active >= most())
            {
                return null;
            }

            _waiting.RemoveFirst();
            first.Value.Place = null;
            first.Value.Stage = HandshakeStage.Active;
            _active++;
            return first.Value;
        }
    }
}

/// <summary>One handshake, from the wait for its slot on.</summary>
/// <param name="startedAt">The heartbeat's time.</param>
internal sealed class HandshakeTurn(uint startedAt)
{
    private readonly TaskCompletionSource _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public uint StartedAt => startedAt;

    /// <summary>Completes when it is its turn, or with what has ended the wait.</summary>
    public Task Granted => _granted.Task;

    /// <summary>Under the lock of the slots.</summary>
    public HandshakeStage Stage { get; set; }

    /// <summary>As above.</summary>
    public LinkedListNode<HandshakeTurn>? Place { get; set; }

    public void Grant() => _granted.TrySetResult();

    public void Fail(Exception failure)
    {
        if (_granted.TrySetException(failure))
        {
            _ = Granted.Exception; // Observed: nobody waits, if it was its turn at once.
        }
    }
}

internal enum HandshakeStage : byte
{
    None,
    Waiting,
    Active,
    Left,
}
