using System.Buffers;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>A message out of many that one read has brought.</summary>
[MemoryDiagnoser]
public class ParseFramings
{
    private const int Messages = 2048;

    private Action<int, bool> _read = null!;

    public static IReadOnlyList<Framing> All => Framings.All;

    [ParamsSource(nameof(All))]
    public Framing Framing { get; set; } = null!;

    [GlobalSetup]
    public void Start()
    {
        var bytes = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Messages; i++)
        {
            Framing.Write(bytes);
        }

        _read = Framing.Over(new ReadOnlySequence<byte>(bytes.WrittenMemory));
        _read(Messages, true);
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public void Parse() => _read(Messages, false);
}
