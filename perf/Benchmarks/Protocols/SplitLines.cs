using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>
/// Lines of one read: of the framing alone, of the reader of messages over it, and of a loop of <c>IndexOf</c> and <c>Slice</c>, which is the least that can be done. An
/// operation is a line.
/// </summary>
[MemoryDiagnoser]
public class SplitLines
{
    // About as much as is received at once, and more than the first two caches have room for when lines are long.
    private const int Lines = 4096;

    private readonly IMessageReader<ReadOnlySequence<byte>> _format = new LineReader();
    private byte[] _bytes = null!;
    private ReadOnlySequence<byte> _sequence;
    private OneReadReader _input = null!;
    private MessageReader<ReadOnlySequence<byte>> _reader = null!;

    /// <summary>Of a line, without its end.</summary>
    [Params(10, 20, 80, 500, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Start()
    {
        _bytes = new byte[Lines * (Size + 1)];
        _bytes.AsSpan().Fill((byte)'x');
        for (var end = Size; end < _bytes.Length; end += Size + 1)
        {
            _bytes[end] = (byte)'\n';
        }

        var segment = new Segment(_bytes);
        _sequence = new ReadOnlySequence<byte>(segment, 0, segment, _bytes.Length);
        _input = new OneReadReader(_sequence);
        _reader = new MessageReader<ReadOnlySequence<byte>>(_input, _format);
        IndexOf();
        Parse();
        Read().GetAwaiter().GetResult();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Lines)]
    public void IndexOf()
    {
        ReadOnlySpan<byte> rest = _bytes;
        var (lines, size) = (0, 0L);
        for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
        {
            lines++;
            size += rest[..end].Length;
            rest = rest[(end + 1)..];
        }

        Check(lines, size);
    }

    [Benchmark(OperationsPerInvoke = Lines)]
    public void Parse()
    {
        var rest = _sequence;
        var (lines, size) = (0, 0L);
        for (var consumed = rest.Start; !rest.IsEmpty; rest = rest.Slice(consumed))
        {
            var examined = consumed;
            if (!_format.TryParse(rest, ref consumed, ref examined, out var line))
            {
                break;
            }

            lines++;
            size += line.Length;
        }

        Check(lines, size);
    }

    [Benchmark(OperationsPerInvoke = Lines)]
    public async Task Read()
    {
        _input.HasMore = true;
        Expect.True(await _reader.WaitToReadAsync(), "There is nothing to read.");
        ReadAll();
    }

    private void ReadAll()
    {
        var (lines, size) = (0, 0L);
        while (_reader.TryRead(out var line))
        {
            lines++;
            size += line.Length;
        }

        Check(lines, size);
    }

    private void Check(int lines, long size) => Expect.True(lines == Lines && size == (long)Lines * Size, "Lines are missing.");

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory) => Memory = memory;
    }

    /// <summary>Brings the same bytes again and again, each time in one read.</summary>
    private sealed class OneReadReader(ReadOnlySequence<byte> bytes) : PipeReader
    {
        public bool HasMore { get; set; }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
            TryRead(out var result) ? new ValueTask<ReadResult>(result) : throw new InvalidOperationException("Nothing is there to be read.");

        public override bool TryRead(out ReadResult result)
        {
            result = HasMore ? new ReadResult(bytes, isCanceled: false, isCompleted: false) : default;
            var hadMore = HasMore;
            HasMore = false;
            return hadMore;
        }

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
        }

        public override void CancelPendingRead()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }
}
