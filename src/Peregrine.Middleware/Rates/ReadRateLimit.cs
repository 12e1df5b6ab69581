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

    /// <summary>Counts what is read, for a transport that does not.</summary>
    private sealed class CountingReader(PipeReader inner) : DelegatingPipeReader(inner), IConnectionByteCountFeature
    {
        private ReadTally _tally;

        public long BytesReceived => _tally.Received;

        public long BytesSent => 0;

        protected override ReadResult OnRead(ReadResult result)
        {
            _tally.OnRead(result.Buffer);
            return result;
        }

        protected override void OnAdvance(SequencePosition consumed, SequencePosition examined)
        {
            var left = _tally.LeftAfter(consumed);
            Inner.AdvanceTo(consumed, examined);
            _tally.OnAdvanced(left);
        }
    }
}
