using Peregrine.Contract;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Simulation;

public sealed class SimulatedReaderTests() : ReaderContract(SteppedPair.ConnectAsync);

public sealed class SimulatedReaderMisuseTests() : ReaderMisuseContract(SteppedPair.ConnectAsync);

public sealed class SimulatedReaderCancellationTests() : ReaderCancellationContract(SteppedPair.ConnectAsync);

public sealed class SimulatedWriterTests() : WriterContract(SteppedPair.ConnectAsync);

public sealed class SimulatedBackpressureTests() : BackpressureContract(SteppedPair.ConnectAsync);

public sealed class SimulatedBufferTests() : BufferContract(SteppedPair.ConnectAsync);

public sealed class SimulatedConnectionTests() : ConnectionContract(SteppedPair.ConnectAsync);

public sealed class SimulatedEndTests() : EndContract(SteppedPair.ConnectAsync);

/// <summary>A simulated pair whose network is stepped by a thread of its own, for tests that know nothing of steps.</summary>
internal static class SteppedPair
{
    private static int s_seed;

    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes)
    {
        var network = new SimulatedNetwork(Interlocked.Increment(ref s_seed));
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes);
        var (server, client) = SimulatedPair.Connect(network, pool, blockSizeInBytes, capacity: 256 * 1024);
        var stepping = network.StepOnOwnThread();
        return new ValueTask<ConnectionPair>(new ConnectionPair(server, client, blockSizeInBytes, pool)
        {
            // A flush that only gives its thread to others is pending for a moment.
            IsQuiet = () => network.IsIdle,
            Cleanup = () =>
            {
                stepping.Dispose();
                return ValueTask.CompletedTask;
            },
        });
    }
}
