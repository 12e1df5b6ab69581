using Peregrine.Fuzz.ProxyProtocol;
using Peregrine.Middleware.ProxyProtocol;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>A header comes to the same however it is cut (§2: "the receiver may be tolerant to partial headers").</summary>
public sealed class SplitTests
{
    public static TheoryData<string> Names => Corpus.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_prefix_cut_in_every_place(string name)
    {
        byte[] bytes = [.. Corpus.Valid[name], .. "data"u8];
        var whole = HeaderParser.Parse(bytes, HeaderTarget.Rules);
        Assert.Equal(bytes.Length - 4, whole.Length);
        for (var length = 0; length <= bytes.Length; length++)
        {
            var prefix = HeaderParser.Parse(bytes.AsSpan(0, length), HeaderTarget.Rules);
            HeaderTarget.CheckPrefix(whole, prefix, length);
            for (var place = 0; place <= length; place++)
            {
                var cut = HeaderParser.Parse(HeaderTarget.Cut(bytes[..length], place), HeaderTarget.Rules);
                Assert.True(HeaderTarget.Same(prefix, cut), $"{length} bytes, cut at {place}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Byte_by_byte(string name)
    {
        byte[] bytes = [.. Corpus.Valid[name], .. "data"u8];
        var cut = HeaderParser.Parse(HeaderTarget.Cut(bytes, [.. Enumerable.Range(0, bytes.Length + 1)]), HeaderTarget.Rules);
        Assert.True(HeaderTarget.Same(HeaderParser.Parse(bytes, HeaderTarget.Rules), cut));
    }

    /// <summary>As the fuzzer has it, over the inputs that it starts from.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void The_seeds_of_the_fuzzer_are_these_headers_and_hold_what_it_looks_for(string name)
    {
        var seed = Path.Combine(AppContext.BaseDirectory, "Seeds", name);
        Assert.Equal(Corpus.Valid[name], File.ReadAllBytes(seed));
        HeaderTarget.Run(File.ReadAllBytes(seed));
        HeaderTarget.Run([.. Corpus.Valid[name], .. Corpus.Valid[name]]);
    }
}
