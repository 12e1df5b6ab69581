using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Xunit.Sdk;

namespace Peregrine.Contract;

/// <summary>
/// A seeded program of everything a caller may do with a connection: both sides write and read at once, by every method, in every size, with
/// operations given up in every way, and every byte is verified by its position.
/// </summary>
/// <remarks>
/// The only source of chance is the seed, and the only concurrency is asynchronous methods that were started and not yet awaited: no timer, no
/// other thread, no <c>ConfigureAwait</c>. So a scheduler with one thread that orders the continuations repeats a run exactly.
/// </remarks>
public static class RandomTransfer
{
    /// <summary>Runs the program and disposes both connections. It has no timeout: a caller that waits for it names the seed.</summary>
    public static async Task RunAsync(ConnectionPair pair, int seed)
    {
        var random = new Random(seed);
        int largest = pair.BlockSizeInBytes < 16 ? 1_500 : random.Next(4) == 0 ? 60_000 : 6_000;
        var toServer = new Plan(random.Next(largest), random.Next(), random.Next(3) == 0);
        var toClient = new Plan(random.Next(largest), random.Next(), random.Next(3) == 0 && !toServer.EndsWithDispose);
        Exception? failure = null;

        await Task.WhenAll(GuardAsync(SideAsync(pair.Server, toClient, toServer)), GuardAsync(SideAsync(pair.Client, toServer, toClient)));
        if (failure is null)
            await GuardAsync(pair.DisposeConnectionsAsync());
        foreach (var connection in failure is null ? [pair.Server, pair.Client] : Array.Empty<ConnectionContext>())
        {
            if (connection.Features.Get<IConnectionBufferFeature>() is { } buffers && (buffers.UnreadBytes, buffers.UnsentBytes) is var kept and not (0, 0))
                failure = new XunitException($"{kept} bytes are still said to be unread and unsent.");
        }

        if (failure is not null)
            throw new XunitException($"The random transfer with seed {seed} failed: {failure.Message}", failure);

        async Task GuardAsync(Task part)
        {
            try
            {
                await part;
            }
            catch (Exception exception)
            {
                // The first failure counts; what the other parts say of the abort does not.
                failure ??= exception;
                pair.Server.Abort();
                pair.Client.Abort();
            }
        }

        // Sides and halves start in this order whatever the scheduler does; from then on each has its own sequence of chance.
        async Task SideAsync(ConnectionContext connection, Plan outgoing, Plan incoming)
        {
            var writing = GuardAsync(new RandomWriter(connection.Transport.Output, outgoing).RunAsync());
            await GuardAsync(new RandomReader(connection.Transport.Input, incoming).RunAsync());
            await writing;
            if (outgoing.EndsWithDispose)
                await connection.DisposeAsync();
        }
    }

    /// <summary>What one direction carries. At most one of two directions ends with the dispose of its writing side, which has then read the other's end.</summary>
    internal sealed record Plan(int Total, int Seed, bool EndsWithDispose);
}
