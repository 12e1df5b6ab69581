using System.Net.Sockets;

namespace Peregrine.Sockets.Connections;

/// <content>A part of a file, after what is written: sent by the kernel where it can, read and sent where it cannot.</content>
internal sealed partial class SendLoop<TSocket>
{
    private const int MostBytesOfAFileSend = 1 << 20;
    private const int MostBytesOfAFileCopy = 64 * 1024;

    /// <summary>Sends what the kernel takes of a file. Only a byte is read, to wait for room with, unless the file must be read as a whole.</summary>
    private void SendFile(FileSend file)
    {
        var result = _socket.TrySendFile(file.File, file.Offset, (int)Math.Min(file.Remaining, MostBytesOfAFileSend));
        var isUnsupported = result.Error == SocketError.OperationNotSupported;
        if (result.IsWouldBlock || isUnsupported)
        {
            QueueFile(file, isUnsupported ? (int)Math.Min(file.Remaining, MostBytesOfAFileCopy) : 1);
        }
        else if (result.IsError)
        {
            Fail(result);
        }
        else
        {
            Count(result.Bytes);
            Advance(file, result.Bytes);
        }
    }

    private void QueueFile(FileSend file, int count)
    {
        var read = default(WriteChain);
        try
        {
            var segment = read.Room(Settings.WriteBlocks, count);
            var bytes = RandomAccess.Read(file.File, segment.Free.Span[..count], file.Offset);
            read.Advance(bytes);
            lock (Gate)
            {
                if (bytes > 0)
                {
                    _ = QueueLocked(ref read);
                }
            }

            Advance(file, bytes);
        }
        catch (Exception exception)
        {
            // On a completion's thread, where nobody would catch what the file or the pool throws.
            _connection.Abort(new("A file that was being sent could not be read.", exception));
            Fail(IoResult.Released);
        }
        finally
        {
            read.Return();
        }
    }

    private void Advance(FileSend file, int bytes)
    {
        if (!file.TryAdvance(bytes))
        {
            // The peer was promised more than there is.
            _connection.Abort(new("A file that was being sent has become shorter."));
            Fail(IoResult.Released);
        }
    }

    // Apart, because its closure would be allocated whenever the loop ends.
    private void EndFile(FileSend file, bool isClosed) => Settings.Scheduler.Schedule(_ => file.End(isClosed), null);
}
