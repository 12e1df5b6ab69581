using System.Buffers;
using System.Diagnostics;
using Peregrine.Fuzz.ProxyProtocol;
using Peregrine.Middleware.ProxyProtocol;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>Headers that went wrong in every way: the parser never throws, never takes long, never takes memory, and always says the same.</summary>
public sealed class MutationTests
{
    private const int Cases = 1_000_000;
    private const int Seed = 20_260_401;
    private const int MaxKept = 4_096;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    [Fact]
    public void A_million_headers_that_went_wrong()
    {
        var mutations = new Mutations(Seed);
        var statuses = new int[3];
        var faults = new HashSet<HeaderFault>();
        HeaderParser.Parse(Corpus.Valid["v2-tls"], HeaderTarget.Rules); // What the first call allocates is the runtime's.
        HeaderParser.Parse(Corpus.Valid["v2-unix"], HeaderTarget.Rules);
        HeaderParser.Parse(Corpus.Valid["v1-unknown-short"], HeaderTarget.Rules);
        var cut = new CutInTwo();
        for (var i = 0; i < Cases; i++)
        {
            var input = mutations.Next();
            var whole = ParseMeasured(new ReadOnlySequence<byte>(input), i);
            var other = ParseMeasured(cut.At(input, mutations.Below(input.Length + 1)), i);
            var prefixLength = mutations.Below(input.Length + 1);
            HeaderTarget.CheckPrefix(whole, HeaderParser.Parse(input.Span[..prefixLength], HeaderTarget.Rules), prefixLength);
            if (!HeaderTarget.Same(whole, other))
            {
                Assert.Fail($"Case {i}: {Convert.ToHexString(input.Span)} is {whole} whole and {other} cut.");
            }

            statuses[(int)whole.Status]++;
            faults.Add(whole.Fault);
        }

        // The cases are ones that say something: each way to end has its share, and each fault that bytes can have was there.
        Assert.All(statuses, count => Assert.True(count > Cases / 20, string.Join(", ", statuses)));
        Assert.Equal(Enum.GetValues<HeaderFault>().Where(fault => fault < HeaderFault.UntrustedSender).Order(), faults.Order());
    }

    [Fact]
    public void What_the_fuzzer_looks_for_holds_of_ten_thousand_of_them()
    {
        var mutations = new Mutations(Seed + 1);
        for (var i = 0; i < 10_000; i++)
        {
            var input = mutations.Next();
            try
            {
                HeaderTarget.Run(input.Span);
            }
            catch (Exception exception)
            {
                Assert.Fail($"Case {i}: {Convert.ToHexString(input.Span)}: {exception}");
            }
        }
    }

    private static HeaderResult ParseMeasured(in ReadOnlySequence<byte> input, int number)
    {
        var result = Measure(input, out var took, out var allocated);
        if (took > s_longest || allocated > MaxAllocated(result))
        {
            // The machine may have held the thread, and a collection may have come between: once more, then.
            Measure(input, out took, out allocated);
        }

        if (took > s_longest || allocated > MaxAllocated(result))
        {
            Assert.Fail($"Case {number} ({result.Status}, {result.Fault}) took {took} and {allocated} bytes: {Convert.ToHexString(input.ToArray())}");
        }

        return result;
    }

    private static HeaderResult Measure(in ReadOnlySequence<byte> input, out TimeSpan took, out long allocated)
    {
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        var result = HeaderParser.Parse(input, HeaderTarget.Rules);
        took = Stopwatch.GetElapsedTime(started);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
        return result;
    }

    /// <summary>Nothing before it is accepted.</summary>
    private static int MaxAllocated(in HeaderResult result) => result.Header is null ? 0 : MaxKept;

    /// <summary>Two segments that are used again and again.</summary>
    private sealed class CutInTwo
    {
        private readonly Segment _first = new();
        private readonly Segment _second = new();

        public ReadOnlySequence<byte> At(ReadOnlyMemory<byte> bytes, int place)
        {
            _first.Set(bytes[..place], 0, _second);
            _second.Set(bytes[place..], place, null);
            return new ReadOnlySequence<byte>(_first, 0, _second, bytes.Length - place);
        }

        private sealed class Segment : ReadOnlySequenceSegment<byte>
        {
            public void Set(ReadOnlyMemory<byte> memory, long index, Segment? next)
            {
                Memory = memory;
                RunningIndex = index;
                Next = next;
            }
        }
    }
}
