using System.Buffers;
using System.Text;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols.Tests.WireTexts;

public sealed class WireTextTests
{
    public static TheoryData<string, string, string> Texts => new()
    {
        { "None", "", "" },
        { "None", @"a\n", @"a\n" },
        { "Stomp", "plain", "plain" },
        { "Stomp", @"\r\n\c\\", "\r\n:\\" },
        { "Stomp", @"a\\nb", @"a\nb" },
        { "Syslog", @"\""\\\]", @"""\]" },
        { "Syslog", @"c:\dir\n\", @"c:\dir\n\" },
        { "Syslog", @"ä\\\""\", @"ä\""\" },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void A_text_is_the_same_in_any_segments(string escapes, string raw, string meant)
    {
        var bytes = Encoding.UTF8.GetBytes(raw);
        var expected = Encoding.UTF8.GetBytes(meant);
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var text = new WireText(Segments.Of(bytes, first, second), Enum.Parse<Escapes>(escapes));
                Assert.Equal(meant, text.ToString());
                Assert.True(text.SequenceEqual(expected));
                Assert.False(text.SequenceEqual([.. expected, 0]));
                Assert.False(text.SequenceEqual([.. expected.Select(value => (byte)(value ^ 1)), .. "x"u8]));
                Assert.Equal(raw.Length == 0, text.IsEmpty);
                var copy = new byte[expected.Length];
                Assert.True(text.TryCopyTo(copy, out var length));
                Assert.Equal(expected, copy[..length]);
                if (expected.Length > 0)
                {
                    Assert.False(text.TryCopyTo(copy.AsSpan(1), out _));
                }
            }
        }
    }

    [Fact]
    public void A_text_is_there_without_a_copy_if_it_is_in_one_place_and_without_escapes()
    {
        var bytes = @"a\n"u8.ToArray();
        Assert.True(new WireText(new(bytes), Escapes.None).TryGetSpan(out var span));
        Assert.Equal(bytes, span);
        Assert.True(new WireText(new(bytes, 0, 1), Escapes.Stomp).TryGetSpan(out _));
        Assert.False(new WireText(new(bytes), Escapes.Stomp).TryGetSpan(out _));
        Assert.False(new WireText(Segments.Of(bytes, 1), Escapes.None).TryGetSpan(out _));
        Assert.True(default(WireText).TryGetSpan(out var empty) && empty.IsEmpty);
    }

    [Fact]
    public void A_long_text_with_escapes_is_compared_and_shown()
    {
        var raw = string.Concat(Enumerable.Repeat(@"\\", 1000));
        var text = new WireText(new(Encoding.UTF8.GetBytes(raw)), Escapes.Stomp);
        Assert.Equal(new string('\\', 1000), text.ToString());
        Assert.True(text.SequenceEqual(Encoding.UTF8.GetBytes(new string('\\', 1000))));
        Assert.False(text.SequenceEqual(Encoding.UTF8.GetBytes(new string('\\', 999))));
    }
}
