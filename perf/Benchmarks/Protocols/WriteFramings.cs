using System.Buffers;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>A message into a buffer that has room for it.</summary>
[MemoryDiagnoser]
public class WriteFramings
{
    private const int Messages = 2048;

    private readonly ArrayBufferWriter<byte> _output = new();

    public static IReadOnlyList<Framing> All => Framings.All;

    [ParamsSource(nameof(All))]
    public Framing Framing { get; set; } = null!;

    [GlobalSetup]
    public void Start()
    {
        Write();
        Framing.Over(new ReadOnlySequence<byte>(_output.WrittenMemory))(Messages, true);
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public void Write()
    {
        _output.ResetWrittenCount();
        for (var i = 0; i < Messages; i++)
        {
            Framing.Write(_output);
        }
    }
}
