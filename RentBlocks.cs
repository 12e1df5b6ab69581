using System.Buffers;
using BenchmarkDotNet.Attributes;
using Peregrine.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>A block rented, touched and returned, by one thread or by several at once.</summary>
[MemoryDiagnoser]
public class RentBlocks
{
    // In all threads together; enough that starting them together does not count.
    private const int Rents = 64 * 1024;

    private readonly PinnedMemoryPool _pool = new(new PinnedMemoryPoolOptions());
    private Crew _crew = null!;

    [Params(4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)]
    public int Size { get; set; }

    [Params(1, 4)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Start()
    {
        _crew = new Crew(Threads);
        Check(MemoryPool<byte>.Shared);
        Check(_pool);
        Expect.True(_pool.RentedBytes == 0, "Not every block came back.");
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Rents)]
    public void SharedPool() => _crew.Run(RentShared);

    [Benchmark(OperationsPerInvoke = Rents)]
    public void PinnedPool() => _crew.Run(RentPinned);

    [GlobalCleanup]
    public void Stop()
    {
        _crew.Dispose();
        Expect.True(_pool.RentedBytes == 0, "Not every block came back.");
    }
}
