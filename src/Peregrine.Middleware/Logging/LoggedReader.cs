using System.IO.Pipelines;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware.Logging;

/// <summary>Logs what is read, each byte when it is seen for the first time.</summary>
internal sealed class LoggedReader(PipeReader inner, LoggedFlow flow) : DelegatingPipeReader(inner)
{
    private ReadTally _tally;

    protected override ReadResult OnRead(ReadResult result)
    {
        var known = _tally.OnRead(result.Buffer);
        if (result.Buffer.Length > known)
        {
            flow.Add(result.Buffer.Slice(known));
            flow.Log();
        }

        if (result.IsCompleted)
        {
            flow.End();
        }

        return result;
    }

    protected override void OnAdvance(SequencePosition consumed, SequencePosition examined)
    {
        var left = _tally.LeftAfter(consumed);
        Inner.AdvanceTo(consumed, examined);
        _tally.OnAdvanced(left);
    }
}
