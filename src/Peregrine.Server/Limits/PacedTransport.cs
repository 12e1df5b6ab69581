using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Limits;

/// <summary>A transport whose input is read at a bounded rate. Its output is untouched.</summary>
internal sealed class PacedTransport(PipeReader input, PipeWriter output) : IDuplexPipe
{
    public PipeReader Input => input;

    public PipeWriter Output => output;

    /// <summary>Bounds a connection, if its endpoint says so, and its transport counts what it receives.</summary>
    public static void Apply(ConnectionContext connection, IConnectionCloseFeature close, EndpointSupervision endpoint)
    {
        if (endpoint.Options.Limits.ReadBytesPerSecond is { } rate && connection.Features.Get<IConnectionByteCountFeature>() is { } counts)
        {
            var transport = connection.Transport;
            var budget = new ReadBudget(counts, endpoint.Server.Pauses.Clock, rate);
            connection.Transport = new PacedTransport(new PacedReader(transport.Input, budget, endpoint, close), transport.Output);
        }
    }
}
