using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using Peregrine.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>A block rented, touched and returned, by one thread or by several at once.</summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class RentBlocks
{
    // In all threads together; enough that starting them together does not count.
    private const int Rents = 64 * 1024;

    private readonly PinnedMemoryPool _pool = new(new PinnedMemoryPoolOptions());
    private Crew _rentPinned = null!;
    private Crew _rentShared = null!;

    [Params(4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)]
    public int Size { get; set; }

    [Params(1, 4)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Start()
    {
        Check(_pool);
        Check(MemoryPool<byte>.Shared);
        _rentPinned = new Crew(Threads, () => Rent(_pool));
        _rentShared = new Crew(Threads, () => Rent(MemoryPool<byte>.Shared));
        PinnedPool();
        Expect.True(_pool.RentedBytes == 0, "Not every block came back.");
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Rents)]
    public void SharedPool() => _rentShared.Run();

    [Benchmark(OperationsPerInvoke = Rents)]
    public void PinnedPool() => _rentPinned.Run();

    [GlobalCleanup]
    public void Stop()
    {
        _rentPinned.Dispose();
        _rentShared.Dispose();
    }

    private void Rent(MemoryPool<byte> pool)
    {
        for (var i = 0; i < Rents / Threads; i++)
        {
            using var block = pool.Rent(Size);
            block.Memory.Span[0] = 1;
        }
    }

    private void Check(MemoryPool<byte> pool)
    {
        using var one = pool.Rent(Size);
        using var other = pool.Rent(Size);
        Expect.True(one.Memory.Length >= Size && other.Memory.Length >= Size, "A block is smaller than was asked for.");
        one.Memory.Span.Fill(1);
        other.Memory.Span.Fill(2);
        Expect.True(!one.Memory.Span.Contains((byte)2) && !other.Memory.Span.Contains((byte)1), "Two blocks share memory.");
    }
}
