using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware.Rates;

/// <summary>Slows the readers of connections.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as its pipeline, and the timer of the pauses runs only while readers pause.")]
internal sealed class ReadRateLimit(int bytesPerSecond, TimeProvider clock) : IReadRate
{
    public int? BytesPerSecond => bytesPerSecond;

    public ReadPauses Pauses { get; } = new(clock);

    public Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var transport = connection.Transport;
        var input = transport.Input;
        if (connection.Features.Get<IConnectionByteCountFeature>() is not { } counts)
        {
            var counting = new CountingReader(input);
            (input, counts) = (counting, counting);
        }

        var close = connection.Features.Get<IConnectionCloseFeature>();
        var closed = close is null ? connection.ConnectionClosed : CancellationToken.None;
        var paced = new PacedReader(input, new ReadBudget(counts, clock, bytesPerSecond), this, close, closed);
        return connection.RunWithTransportAsync(paced, transport.Output, next);
    }

    /// <summary>For a transport that does not count.</summary>
    private sealed class CountingReader(PipeReader inner) : CountedReader(inner), IConnectionByteCountFeature
    {
        public long BytesSent => 0;
    }
}
