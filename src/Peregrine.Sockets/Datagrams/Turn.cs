using System.Threading.Tasks.Sources;
using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets.Datagrams;

/// <summary>What a receive loop awaits: its next turn, which goes on where it is executed. One at a time; used again and again.</summary>
internal sealed class Turn : IValueTaskSource, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<bool> _source;
    private Loop? _loop;
    private LoopOrigin? _origin;

    /// <summary>Before anybody may execute it.</summary>
    public void Begin() => _source.Reset();

    /// <summary>It is executed on a loop, as soon as it is awaited: not before, for then whoever awaits it would go on where it is.</summary>
    public void BeginOn(Loop loop, LoopOrigin origin)
    {
        _source.Reset();
        _origin = origin;
        _loop = loop;
    }

    /// <summary>To be awaited once.</summary>
    public ValueTask Task => new(this, _source.Version);

    public void Execute() => _source.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        var loop = _loop;
        _loop = null;
        _source.OnCompleted(continuation, state, token, flags);
        loop?.Post(this, _origin!);
    }
}
