using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Middleware;

/// <summary>Puts a reader and a writer of a middleware between a connection and the rest of its pipeline.</summary>
public static class ConnectionTransportExtensions
{
    /// <summary>
    /// Runs the rest of a pipeline with another <c>Transport</c>, and puts back what was there when it has ended, however it ends. Where the output is
    /// another one, the features by which bytes or the end would pass it by (<see cref="IConnectionSendFileFeature"/>,
    /// <see cref="IConnectionHalfCloseFeature"/>) are not offered meanwhile: their extension methods go through the output then.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="input">What the rest reads from; <c>connection.Transport.Input</c> for what is there.</param>
    /// <param name="output">What it writes to; <c>connection.Transport.Output</c> for what is there.</param>
    /// <param name="next">The rest of the pipeline.</param>
    /// <returns>The task of <paramref name="next"/>.</returns>
    public static async Task RunWithTransportAsync(this ConnectionContext connection, PipeReader input, PipeWriter output, ConnectionDelegate next)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(next);
        var transport = connection.Transport;
        var isOutputReplaced = !ReferenceEquals(output, transport.Output);
        connection.Transport = new TransportPipes(input, output);

        // A socket's connection does not offer them then by itself; those of others, and of other middleware, are taken away.
        var sendFile = isOutputReplaced ? Remove<IConnectionSendFileFeature>(connection) : null;
        var halfClose = isOutputReplaced ? Remove<IConnectionHalfCloseFeature>(connection) : null;
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            connection.Transport = transport;
            PutBack(connection, sendFile);
            PutBack(connection, halfClose);
        }
    }

    private static TFeature? Remove<TFeature>(ConnectionContext connection)
        where TFeature : class
    {
        var feature = connection.Features.Get<TFeature>();
        if (feature is not null)
        {
            connection.Features.Set<TFeature>(null);
        }

        return feature;
    }

    private static void PutBack<TFeature>(ConnectionContext connection, TFeature? feature)
        where TFeature : class
    {
        if (feature is not null)
        {
            connection.Features.Set(feature);
        }
    }

    private sealed class TransportPipes(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
