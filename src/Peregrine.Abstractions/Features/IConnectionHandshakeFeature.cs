using System.IO.Pipelines;

namespace Peregrine.Features;

/// <summary>
/// By it a middleware tells that its handshake begins and ends: how many are under way at once is bounded, and so is the time of each. Use
/// <see cref="ConnectionHandshakeExtensions"/>, which also works where a server has no such bounds.
/// </summary>
/// <remarks>Safe to use from any thread. A connection has one handshake at a time.</remarks>
public interface IConnectionHandshakeFeature
{
    /// <summary>A handshake has begun, or waits for its turn.</summary>
    bool IsInHandshake { get; }

    /// <summary>
    /// Begins a handshake: its time runs from here on (<see cref="IConnectionTimeoutFeature.Handshake"/>). Waits until fewer handshakes are under way
    /// than may be, first come, first served.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Completes when it is this one's turn. <see cref="EndHandshake"/> must follow.</returns>
    /// <exception cref="InvalidOperationException">The connection has begun one already.</exception>
    /// <exception cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException">The connection ended meanwhile, or the time is over.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    ValueTask BeginHandshakeAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The same for a handshake in which the peer speaks first, as a client of TLS does: it waits for its turn when the peer's first bytes are there, so that
    /// peers that say nothing keep no turn from others. Its time runs all the same.
    /// </summary>
    /// <param name="input">
    /// Where the bytes come. None of them are consumed or examined, and what this read would fail with is left to the next.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <inheritdoc cref="BeginHandshakeAsync"/>
    ValueTask BeginHandshakeWhenPeerSpeaksAsync(PipeReader input, CancellationToken cancellationToken = default) => BeginHandshakeAsync(cancellationToken);

    /// <summary>Ends it, however it went. Without effect when there is none. The end of the connection does the same.</summary>
    void EndHandshake();
}
