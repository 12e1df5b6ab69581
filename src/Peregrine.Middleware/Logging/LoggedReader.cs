using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware.Logging;

/// <summary>Logs what is read, each byte when it is seen for the first time.</summary>
internal sealed class LoggedReader(PipeReader inner, LoggedFlow flow) : CountedReader(inner)
{
    protected override void OnNewBytes(in ReadOnlySequence<byte> bytes, bool isCompleted)
    {
        flow.Add(bytes);
        flow.Log();
        if (isCompleted)
        {
            flow.End();
        }
    }
}
