using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;

namespace Peregrine.Sockets.Connections;

/// <summary>The part of a file that is being sent.</summary>
internal sealed class FileSend(SafeFileHandle file, long offset, long count)
{
    private readonly TaskCompletionSource<FlushResult> _ended = new();

    public SafeFileHandle File => file;

    public long Offset { get; private set; } = offset;

    public long Remaining { get; private set; } = count;

    /// <summary>Completes when the kernel has every byte, or when nothing can be sent any more.</summary>
    public Task<FlushResult> Ended => _ended.Task;

    /// <summary>False if nothing was sent: the file has ended before its time.</summary>
    public bool TryAdvance(int bytes)
    {
        Offset += bytes;
        Remaining -= bytes;
        return bytes > 0;
    }

    /// <summary>Goes on in the application's code: the send loop calls it by the scheduler.</summary>
    public void End(bool isClosed) => _ended.TrySetResult(new FlushResult(isCanceled: false, isCompleted: isClosed));
}
