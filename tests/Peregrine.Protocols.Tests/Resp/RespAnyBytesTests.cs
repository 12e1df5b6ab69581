using FsCheck;
using FsCheck.Fluent;

namespace Peregrine.Protocols.Tests.Resp;

/// <summary>Whatever a peer sends is read, or refused as no message, and the same however it is cut.</summary>
public sealed class RespAnyBytesTests
{
    private static readonly string[] s_parts =
    [
        "*1\r\n", "*2\r\n", "*3\r\n", "*0\r\n", "*-1\r\n", "$0\r\n\r\n", "$1\r\na\r\n", "$3\r\n\r\n\r\r\n", "$-1\r\n", "+a\r\n", "-ERR b\r\n", ":-12\r\n", "_\r\n", "#t\r\n",
        ",1.5e3\r\n", ",-inf\r\n", "(-99\r\n", "!2\r\nab\r\n", "=5\r\ntxt:a\r\n", "%1\r\n", "|1\r\n", "|0\r\n", "~2\r\n", ">1\r\n", "$?\r\n", "\r\n", "\r", "\n", " ", "\"", "'", "\\",
        "a 'b c' \"d\\x41\"\r\n", "$", "*", "99999999999", "-", "0", "7", "\0", "\u00FF",
    ];

    private static readonly Gen<byte[]> s_bytes = Gen.Elements(s_parts).ArrayOf().Select(parts => parts.SelectMany(part => part.Select(letter => (byte)letter)).ToArray());

    [Fact]
    public void Commands() => ShowSame(() => new RespCommandReader(s_options), RespReading.Show);

    [Fact]
    public void Values() => ShowSame(() => new RespValueReader(s_options), RespReading.Show);

    private static readonly RespOptions s_options = new() { MaxDepth = 3, MaxMessageSizeInBytes = 60, MaxBulkLengthInBytes = 10, MaxLineLengthInBytes = 20, MaxArguments = 3 };

    private static void ShowSame<TMessage>(Func<IMessageReader<TMessage>> create, Func<TMessage, string> show)
        where TMessage : allows ref struct
    {
        var read = 0;
        var refused = 0;
        Prop.ForAll(s_bytes.Zip(Gen.Choose(1, 9)).ToArbitrary(), tried =>
        {
            var (bytes, segment) = tried;
            var (messages, error) = RespReading.Read(create(), bytes, isByteByByte: false, int.MaxValue, show);
            read += messages.Count;
            refused += error is null ? 0 : 1;
            foreach (var (isByteByByte, size) in (ReadOnlySpan<(bool, int)>)[(false, segment), (true, segment), (true, int.MaxValue)])
            {
                var (same, sameError) = RespReading.Read(create(), bytes, isByteByByte, size, show);
                Assert.Equal(messages, same);
                Assert.Equal(error?.GetType(), sameError?.GetType());
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5_000).WithReplay(20_261, 77));

        // It has tried both.
        Assert.True(read > 1_000 && refused > 1_000, $"{read} messages, {refused} refused.");
    }
}
