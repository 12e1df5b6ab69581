using System.IO.Pipelines;

namespace Peregrine.Middleware.Logging;

/// <summary>Logs what is written, when it is flushed: an entry for each flush.</summary>
/// <remarks>
/// Bytes are taken when the writer advances over them: only until then is the memory surely this side's. A connection that ends may give it back at
/// any time afterwards.
/// </remarks>
internal sealed class LoggedWriter(PipeWriter inner, LoggedFlow flow) : DelegatingPipeWriter(inner)
{
    private Memory<byte> _memory;
    private volatile bool _isCompleted;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _memory = Inner.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        // What is out of range is the inner writer's to refuse.
        if ((uint)bytes <= (uint)_memory.Length && !_isCompleted)
        {
            flow.Add(_memory.Span[..bytes]);
            _memory = _memory[bytes..];
        }

        Inner.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        _memory = default;

        // Before the peer can have it: its answer is logged behind.
        LogUnlessCompleted();
        return Inner.FlushAsync(cancellationToken);
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        _memory = default;
        if (cancellationToken.IsCancellationRequested)
        {
            // Nothing of it is taken, whatever the inner writer would do.
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if (!_isCompleted)
        {
            flow.Add(source.Span);
            flow.Log();
        }

        return Inner.WriteAsync(source, cancellationToken);
    }

    public override void Complete(Exception? exception = null)
    {
        OnComplete(exception);
        Inner.Complete(exception);
    }

    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        OnComplete(exception);
        return Inner.CompleteAsync(exception);
    }

    private void OnComplete(Exception? exception)
    {
        if (_isCompleted)
        {
            return;
        }

        _isCompleted = true;
        if (exception is not null)
        {
            flow.Discard();
        }

        flow.End();
    }

    private void LogUnlessCompleted()
    {
        if (!_isCompleted)
        {
            flow.Log();
        }
    }
}
