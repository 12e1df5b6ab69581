namespace Peregrine.Features;

/// <summary>
/// Ends this side's half of a connection, as shutdown(2) with SHUT_WR does: the peer reads to an end, and this side goes on reading. Offered by
/// connections whose <c>Transport</c> nobody has replaced: use <see cref="ConnectionHalfCloseExtensions.CompleteOutputAsync"/> where it may
/// be missing.
/// </summary>
/// <remarks>The other half ends by itself: a peer's FIN completes the input, and the output stays open until this side completes it.</remarks>
public interface IConnectionHalfCloseFeature
{
    /// <summary>
    /// Completes the connection's output: sends everything that was written, flushed or not, and the FIN behind it (RFC 9293 §3.6). Nothing can
    /// be written any more. A second call waits for the same end. Safe to call from any thread.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; the FIN is sent all the same.</param>
    /// <returns>Completes when the kernel has everything, the FIN too, or nothing can be sent any more.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default);
}
