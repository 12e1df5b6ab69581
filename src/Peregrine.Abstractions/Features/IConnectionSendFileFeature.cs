using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;

namespace Peregrine.Features;

/// <summary>
/// Sends files without copying them through the application. Offered by connections that send in the clear and whose
/// <c>Transport</c> nobody has replaced: use <see cref="ConnectionSendFileExtensions.SendFileAsync"/> where it may be missing.
/// </summary>
public interface IConnectionSendFileFeature
{
    /// <summary>
    /// Sends a part of a file after everything that was written to the connection's output before, flushed or not. On Linux by sendfile(2).
    /// </summary>
    /// <remarks>
    /// Until it ends, nothing may be flushed, and the handle must stay open. Completing the output meanwhile aborts the connection. The
    /// kernel sends the file's pages: what is changed in the file before the peer has acknowledged it may arrive changed.
    /// </remarks>
    /// <param name="file">A regular file, open for reading. Its position is not used.</param>
    /// <param name="offset">The first byte to send.</param>
    /// <param name="count">How many bytes to send; at most what the file has from <paramref name="offset"/> on.</param>
    /// <param name="cancellationToken">Aborts the connection: the peer could not tell how much it got.</param>
    /// <returns>When the kernel has every byte. As of a flush: completed, if the peer is gone and no more can be sent.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="offset"/> or <paramref name="count"/> is negative, or the file is shorter than they say.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The output is completed, or a flush or another file is in progress.</exception>
    ValueTask<FlushResult> SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken = default);
}
