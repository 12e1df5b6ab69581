using System.Net.Sockets;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// Answers of which the server closes the connection behind each, to clients that send four more bytes after an answer has begun: how many
/// arrive cut off, and how many of those end with a reset.
/// </summary>
internal sealed class EndsDrive(Load load, Target target) : IDrive
{
    private const int Answers = 5_000;

    /// <summary>A server that neither answers nor closes would hold up the run for good.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private int _started;
    private int _truncated;
    private int _reset;

    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(Enumerable.Range(0, load.Connections).Select(_ => Task.Run(() => AskAsync(cancellationToken), cancellationToken)))
                .WaitAsync(Limit, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new InvalidDataException($"of {Answers} answers, some had not ended after {Limit.TotalMinutes} minutes.");
        }

        return new Measurement { [Metric.Truncated.Key] = _truncated * 100.0 / Answers, [Metric.Reset.Key] = _reset * 100.0 / Answers };
    }

    private async Task AskAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[256 * 1024];
        while (Interlocked.Increment(ref _started) <= Answers)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await client.ConnectAsync("127.0.0.1", target.Port, cancellationToken);
            long received = 0;
            try
            {
                await client.SendAsync("get?"u8.ToArray(), cancellationToken);
                received += await client.ReceiveAsync(buffer, cancellationToken);
                await client.SendAsync("more"u8.ToArray(), cancellationToken);
                while (await client.ReceiveAsync(buffer, cancellationToken) is > 0 and var count)
                {
                    received += count;
                }
            }
            catch (SocketException)
            {
                Interlocked.Increment(ref _reset);
            }

            if (received != load.Size)
            {
                Interlocked.Increment(ref _truncated);
            }
        }
    }
}
