using System.Diagnostics;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Features;

/// <summary>Spans for what goes on inside a connection.</summary>
public static class ConnectionActivityExtensions
{
    /// <summary>
    /// Starts a span for a message: a trace of its own, linked to the connection's span. A connection may last for days, and a trace that
    /// takes in all of its messages is of no use to anybody; the link leads from each message to its connection.
    /// </summary>
    /// <param name="connection">The connection that the message came by. Without a span of its own (<see cref="IConnectionActivityFeature"/>) there is no link.</param>
    /// <param name="source">The application's source.</param>
    /// <param name="name">The span's name: the kind of the message, of which there are few.</param>
    /// <param name="kind">Default <see cref="ActivityKind.Server"/>: a request.</param>
    /// <param name="parent">The span that the message itself names as its parent. Default none.</param>
    /// <returns>
    /// The span, which is <see cref="Activity.Current"/> until it is disposed; null, and nothing is allocated, if nobody listens or the sampler does not take it.
    /// </returns>
    /// <remarks>
    /// Without a <paramref name="parent"/>, <see cref="Activity.Current"/> is null after the span has ended, and what it was before again when the asynchronous
    /// method that called this one returns: start it in a method of its own, such as that which handles the message.
    /// </remarks>
    public static Activity? StartMessageActivity(
        this ConnectionContext connection, ActivitySource source, string name, ActivityKind kind = ActivityKind.Server, ActivityContext parent = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(name);
        if (!source.HasListeners())
        {
            return null;
        }

        ActivityLink[]? links = connection.Features.Get<IConnectionActivityFeature>() is { } traced ? [new ActivityLink(traced.Activity.Context)] : null;

        // Without a parent, a source takes the current span for one.
        var current = Activity.Current;
        if (parent == default)
        {
            Activity.Current = null;
        }

        var started = source.StartActivity(name, kind, parent, links: links);
        if (started is null)
        {
            Activity.Current = current;
        }

        return started;
    }
}
