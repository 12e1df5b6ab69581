using System.Diagnostics;

namespace Peregrine;

/// <summary>
/// The one wait that a reader or a writer can have, and the request to cancel it. Every member but <see cref="Register"/> is called under the owner's lock.
/// <c>None → Waiting → (Attempting → Waiting)* → Ending → None</c>: who moved it out of Waiting owns the flow's state until None.
/// </summary>
internal struct PendingOperation
{
    private State _state;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private bool _cancelRequested;
    private bool _endsByCancel;

    public readonly bool IsNone => _state == State.None;

    public readonly bool IsWaiting => _state == State.Waiting;

    /// <summary>Something is there to end: it waits, or a completion works for it.</summary>
    public readonly bool IsPending => _state is State.Waiting or State.Attempting;

    public readonly bool IsAttempting => _state == State.Attempting;

    public readonly bool IsCancelRequested => _cancelRequested;

    public readonly CancellationToken Token => _token;

    public void Begin(CancellationToken token)
    {
        Debug.Assert(_state == State.None);
        _state = State.Waiting;
        _token = token;
    }

    /// <summary>After <see cref="Begin"/>, and not under the lock: the token cancels while the operation lasts.</summary>
    public void Register(object gate, Action<object?, CancellationToken> onCanceled, object owner, CancellationToken token)
    {
        if (!token.CanBeCanceled)
        {
            return;
        }

        var registration = token.UnsafeRegister(onCanceled, owner);
        lock (gate)
        {
            if (_state is State.Waiting or State.Attempting)
            {
                _registration = registration;
                return;
            }
        }

        // It is over already.
        registration.Unregister();
    }

    /// <summary>A completion begins to work for the waiting flow: from here on, only it can end the wait.</summary>
    public void BeginAttempt()
    {
        Debug.Assert(_state == State.Waiting);
        _state = State.Attempting;
    }

    /// <summary>The attempt brought nothing. False if the wait was cancelled meanwhile: the caller ends it.</summary>
    public bool TryWaitAgain()
    {
        Debug.Assert(_state == State.Attempting);
        if (_cancelRequested || _token.IsCancellationRequested)
        {
            return false;
        }

        _state = State.Waiting;
        return true;
    }

    /// <summary>The attempt brought all that was waited for: the caller ends the wait, cancelled meanwhile or not.</summary>
    public void EndAttempt()
    {
        Debug.Assert(_state == State.Attempting);
        _state = State.Waiting;
    }

    /// <summary>The wait's end is decided. The caller unregisters what is returned after it has left the lock.</summary>
    public CancellationTokenRegistration BeginEnding(bool byCancel)
    {
        Debug.Assert(_state is State.Waiting or State.Attempting);
        var registration = _registration;
        _state = State.Ending;
        _endsByCancel = byCancel;
        _token = default;
        _registration = default;
        return registration;
    }

    public void End()
    {
        Debug.Assert(_state == State.Ending);
        _state = State.None;
        _endsByCancel = false;
    }

    /// <summary>
    /// True if a wait is there to be cancelled now. Otherwise the next operation takes the request, unless one is being cancelled already.
    /// </summary>
    public bool RequestCancel()
    {
        if (_state == State.Waiting)
        {
            return true;
        }

        _cancelRequested |= !_endsByCancel;
        return false;
    }

    public bool TakeCancelRequest()
    {
        var requested = _cancelRequested;
        _cancelRequested = false;
        return requested;
    }

    private enum State : byte
    {
        None,
        Waiting,
        Attempting,
        Ending,
    }
}
