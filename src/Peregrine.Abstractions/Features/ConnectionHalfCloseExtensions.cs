using Microsoft.AspNetCore.Connections;

namespace Peregrine.Features;

/// <summary>Ends this side's half of any connection.</summary>
public static class ConnectionHalfCloseExtensions
{
    /// <summary>
    /// Completes the output by <see cref="IConnectionHalfCloseFeature"/>; of a connection that has none (a transport without it, or middleware
    /// such as TLS, whose own last bytes come first), by <c>Transport.Output.CompleteAsync</c>.
    /// </summary>
    /// <inheritdoc cref="IConnectionHalfCloseFeature.CompleteOutputAsync"/>
    public static ValueTask CompleteOutputAsync(this ConnectionContext connection, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return connection.Features.Get<IConnectionHalfCloseFeature>() is { } feature
            ? feature.CompleteOutputAsync(cancellationToken)
            : connection.Transport.Output.CompleteAsync();
    }
}
