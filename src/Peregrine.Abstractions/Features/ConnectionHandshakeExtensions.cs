using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Features;

/// <summary>Tells of handshakes on any connection.</summary>
public static class ConnectionHandshakeExtensions
{
    /// <summary>
    /// Begins a handshake by <see cref="IConnectionHandshakeFeature"/>; on a connection that has none, such as Kestrel's, at once.
    /// </summary>
    /// <returns>When it is its turn; disposed, the handshake has ended, as in <c>using (await connection.BeginHandshakeAsync())</c>.</returns>
    /// <inheritdoc cref="IConnectionHandshakeFeature.BeginHandshakeAsync"/>
    public static async ValueTask<HandshakeScope> BeginHandshakeAsync(this ConnectionContext connection, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.Features.Get<IConnectionHandshakeFeature>() is not { } feature)
        {
            return default;
        }

        await feature.BeginHandshakeAsync(cancellationToken).ConfigureAwait(false);
        return new HandshakeScope(feature);
    }

    /// <summary>
    /// The same for a handshake in which the peer speaks first, whose bytes come from the connection's transport: a peer that says nothing keeps no turn
    /// from others.
    /// </summary>
    /// <inheritdoc cref="BeginHandshakeAsync"/>
    public static async ValueTask<HandshakeScope> BeginHandshakeWhenPeerSpeaksAsync(
        this ConnectionContext connection, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.Features.Get<IConnectionHandshakeFeature>() is not { } feature)
        {
            return default;
        }

        await feature.BeginHandshakeWhenPeerSpeaksAsync(connection.Transport.Input, cancellationToken).ConfigureAwait(false);
        return new HandshakeScope(feature);
    }
}

/// <summary>A handshake that is under way. Disposed, it has ended.</summary>
[SuppressMessage("Performance", "CA1815", Justification = "It is disposed, and never compared.")]
public readonly struct HandshakeScope : IDisposable
{
    private readonly IConnectionHandshakeFeature? _feature;

    internal HandshakeScope(IConnectionHandshakeFeature feature) => _feature = feature;

    /// <summary>Ends the handshake.</summary>
    public void Dispose() => _feature?.EndHandshake();
}
