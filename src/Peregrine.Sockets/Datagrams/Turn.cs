using System.Threading.Tasks.Sources;

namespace Peregrine.Sockets.Datagrams;

/// <summary>What a receive loop awaits: its next turn, which goes on where it is executed. One at a time; used again and again.</summary>
internal sealed class Turn : IValueTaskSource, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<bool> _source;

    /// <summary>Before anybody may execute it.</summary>
    public void Begin() => _source.Reset();

    /// <summary>To be awaited once.</summary>
    public ValueTask Task => new(this, _source.Version);

    public void Execute() => _source.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
