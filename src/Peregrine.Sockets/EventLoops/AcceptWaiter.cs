using System.Threading.Tasks.Sources;

namespace Peregrine.Sockets.EventLoops;

/// <summary>An accept that waits. Whoever takes it out of the acceptor's list ends it, once; then it is used again.</summary>
internal sealed class AcceptWaiter(LoopAcceptor owner) : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> _source;

    public LoopAcceptor Owner => owner;

    /// <summary>To be awaited once. Goes on where it is ended.</summary>
    public ValueTask Task => new(this, _source.Version);

    public void End() => _source.SetResult(true);

    public void Cancel(CancellationToken token) => _source.SetException(new OperationCanceledException(token));

    void IValueTaskSource.GetResult(short token)
    {
        try
        {
            _source.GetResult(token);
        }
        finally
        {
            _source.Reset();
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
