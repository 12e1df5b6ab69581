using System.IO.Pipelines;

namespace Peregrine.Middleware.Logging;

/// <summary>Logs what is written, when it is flushed: an entry for each flush.</summary>
/// <remarks>
/// Bytes are taken when the writer advances over them: only until then is the memory surely this side's. A connection that ends may give it back at
/// any time afterwards.
/// </remarks>
internal sealed class LoggedWriter(PipeWriter inner, LoggedFlow flow) : DelegatingPipeWriter(inner)
{
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            // Nothing is sent, and what is written stays for the next flush.
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        // Before the peer can have it: its answer is logged behind.
        LogUnlessCompleted();
        return base.FlushAsync(cancellationToken);
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            // Nothing of it is taken, whatever the inner writer would do.
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if (!IsCompleted)
        {
            flow.Add(source.Span);
            flow.Log();
        }

        return base.WriteAsync(source, cancellationToken);
    }

    public override void Complete(Exception? exception = null)
    {
        LogEnd(exception);
        base.Complete(exception);
    }

    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        LogEnd(exception);
        return base.CompleteAsync(exception);
    }

    protected override void OnWritten(Span<byte> bytes) => flow.Add(bytes);

    private void LogEnd(Exception? exception)
    {
        if (IsCompleted)
        {
            return;
        }

        if (exception is not null)
        {
            flow.Discard();
        }

        flow.End();
    }

    private void LogUnlessCompleted()
    {
        if (!IsCompleted)
        {
            flow.Log();
        }
    }
}
