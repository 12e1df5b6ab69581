using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Peregrine.Middleware.Pipes;

/// <summary>
/// The one read or flush that a wrapper waits for, as a task of its own: it is made once, and used for each that does not complete at once. The
/// continuation runs where the inner operation completes, or, if it is told so, on the thread pool.
/// </summary>
internal sealed class PassedOperation<TResult> : IValueTaskSource<TResult>, IThreadPoolWorkItem
{
    private readonly Func<TResult, TResult>? _onResult;
    private readonly bool _resumesOnThreadPool;
    private readonly Action _onCompleted;
    private ManualResetValueTaskSourceCore<TResult> _source;
    private ConfiguredValueTaskAwaitable<TResult>.ConfiguredValueTaskAwaiter _inner;
    private volatile bool _isPending;

    public PassedOperation(Func<TResult, TResult>? onResult, bool resumesOnThreadPool)
    {
        _onResult = onResult;
        _resumesOnThreadPool = resumesOnThreadPool;
        _onCompleted = OnCompleted;
    }

    /// <summary>From <see cref="Begin"/> until the caller can be told the result.</summary>
    public bool IsPending => _isPending;

    /// <param name="operation">One that is not completed, or was not a moment ago.</param>
    public ValueTask<TResult> Begin(ValueTask<TResult> operation)
    {
        _source.Reset();

        // Taken first: the operation may complete, and the next one begin, before the call that waits for it returns.
        var version = _source.Version;
        _isPending = true;
        _inner = operation.ConfigureAwait(false).GetAwaiter();
        _inner.UnsafeOnCompleted(_onCompleted);
        return new ValueTask<TResult>(this, version);
    }

    private void OnCompleted()
    {
        if (_resumesOnThreadPool && !Thread.CurrentThread.IsThreadPoolThread)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else
        {
            Execute();
        }
    }

    public void Execute()
    {
        TResult result;
        try
        {
            var inner = _inner;
            _inner = default;
            result = inner.GetResult();
            result = _onResult is null ? result : _onResult(result);
        }
        catch (Exception exception)
        {
            _isPending = false;
            _source.SetException(exception);
            return;
        }

        _isPending = false;
        _source.SetResult(result);
    }

    TResult IValueTaskSource<TResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<TResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<TResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
