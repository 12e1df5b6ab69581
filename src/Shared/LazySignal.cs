using System.Diagnostics.CodeAnalysis;

namespace Peregrine;

/// <summary>
/// A cancellation token that is made when it is asked for: a connection whose handler never looks at it does not pay for it. Fired once;
/// callbacks run on the thread pool, where one that blocks delays nobody. Safe to use from any thread.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A CancellationTokenSource without a timer holds nothing to dispose.")]
internal struct LazySignal
{
    // One for all: it is held for a few instructions, a handful of times in the life of a connection, and one each would cost 40 bytes.
    private static readonly Lock s_lock = new();

    private CancellationTokenSource? _source;
    private CancellationToken? _token;
    private volatile bool _fired;

    public readonly bool IsFired => _fired;

    /// <summary>Set, it is the given token that is seen from then on, and firing has no effect on it.</summary>
    public CancellationToken Token
    {
        get
        {
            lock (s_lock)
            {
                if (_token is not { } token)
                {
                    token = _fired ? new CancellationToken(canceled: true) : (_source = new CancellationTokenSource()).Token;
                    _token = token;
                }

                return token;
            }
        }

        set
        {
            lock (s_lock)
            {
                _token = value;
            }
        }
    }

    /// <param name="onCallbackFailed">Told of what callbacks throw; must not throw itself.</param>
    public void Fire(Action<Exception> onCallbackFailed)
    {
        CancellationTokenSource? source;
        lock (s_lock)
        {
            if (_fired)
            {
                return;
            }

            _fired = true;
            source = _source;
        }

        if (source is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static state => Cancel(state.source, state.onCallbackFailed), (source, onCallbackFailed), preferLocal: false);
        }
    }

    private static void Cancel(CancellationTokenSource source, Action<Exception> onCallbackFailed)
    {
        try
        {
            source.Cancel();
        }
        catch (Exception exception)
        {
            onCallbackFailed(exception);
        }
    }
}
