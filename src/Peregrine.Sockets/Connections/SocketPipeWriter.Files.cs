using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <content>Files.</content>
internal sealed partial class SocketPipeWriter<TSocket>
{
    /// <summary>See <see cref="IConnectionSendFileFeature.SendFileAsync"/>.</summary>
    public async ValueTask<FlushResult> SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Max(0, RandomAccess.GetLength(file) - offset));
        ThrowIfCompleted();
        cancellationToken.ThrowIfCancellationRequested();
        var send = new FileSend(file, offset, count);
        if (!TryBeginFile(send))
        {
            return new FlushResult(isCanceled: false, isCompleted: true);
        }

        using (cancellationToken.UnsafeRegister(
            static connection => ((StreamConnection<TSocket>)connection!).Abort(new("The sending of a file was cancelled.")), _connection))
        {
            var result = await send.Ended.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return result;
        }
    }

    private bool TryBeginFile(FileSend send)
    {
        if (!TryEnter())
        {
            throw PipeMisuse.WriteAfterCompletion();
        }

        try
        {
            if (!_loop.IsSending)
            {
                _loop.TrySend(ref _written);
            }

            return _loop.TryBeginFile(ref _written, send);
        }
        finally
        {
            Exit();
        }
    }
}
