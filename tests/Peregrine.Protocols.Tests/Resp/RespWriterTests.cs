using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Resp;

public sealed class RespWriterTests
{
    private delegate void Writing(RespWriter writer);

    [Fact]
    public void What_resp2_has_is_the_same_in_both()
    {
        ShowBoth(writer => writer.WriteSimpleString("OK"u8), "+OK\r\n");
        ShowBoth(writer => writer.WriteError("ERR no"u8), "-ERR no\r\n");
        ShowBoth(writer => writer.WriteError("ERR n\u00F6"), "-ERR n\u00C3\u00B6\r\n");
        ShowBoth(writer => writer.WriteInteger(long.MinValue), ":-9223372036854775808\r\n");
        ShowBoth(writer => writer.WriteInteger(0), ":0\r\n");
        ShowBoth(writer => writer.WriteBulkString("a\r\n"u8), "$3\r\na\r\n\r\n");
        ShowBoth(writer => writer.WriteBulkString(default(ReadOnlySpan<byte>)), "$0\r\n\r\n");
        ShowBoth(writer => writer.WriteBulkString("\u00F6"), "$2\r\n\u00C3\u00B6\r\n");
        ShowBoth(writer => writer.WriteBulkString(Segments.Of("abc"u8.ToArray(), 1, 2)), "$3\r\nabc\r\n");
        ShowBoth(writer => writer.WriteArrayHeader(2), "*2\r\n");
        foreach (var length in (int[])[255, 256, 257, 100_000])
        {
            var text = new string('x', length);
            ShowBoth(writer => writer.WriteBulkString(Encoding.ASCII.GetBytes(text).AsSpan()), $"${length}\r\n{text}\r\n");
            ShowBoth(writer => writer.WriteSimpleString(Encoding.ASCII.GetBytes(text)), $"+{text}\r\n");
        }
    }

    [Fact]
    public void What_only_resp3_has_is_written_as_redis_does_for_resp2()
    {
        Show(writer => writer.WriteNull(), "$-1\r\n", "_\r\n");
        Show(writer => writer.WriteNullArray(), "*-1\r\n", "_\r\n");
        Show(writer => writer.WriteBoolean(true), ":1\r\n", "#t\r\n");
        Show(writer => writer.WriteBoolean(false), ":0\r\n", "#f\r\n");
        Show(writer => writer.WriteDouble(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        Show(writer => writer.WriteDouble(-2.2250738585072014E-308), "$24\r\n-2.2250738585072014E-308\r\n", ",-2.2250738585072014E-308\r\n");
        Show(writer => writer.WriteDouble(double.PositiveInfinity), "$3\r\ninf\r\n", ",inf\r\n");
        Show(writer => writer.WriteDouble(double.NegativeInfinity), "$4\r\n-inf\r\n", ",-inf\r\n");
        Show(writer => writer.WriteDouble(double.NaN), "$3\r\nnan\r\n", ",nan\r\n");
        Show(writer => writer.WriteBigNumber("-12"u8), "$3\r\n-12\r\n", "(-12\r\n");
        Show(writer => writer.WriteBulkError("ERR a\r\nb"u8), "-ERR a  b\r\n", "!8\r\nERR a\r\nb\r\n");
        Show(writer => writer.WriteVerbatimString("txt"u8, "a"u8), "$1\r\na\r\n", "=5\r\ntxt:a\r\n");
        Show(writer => writer.WriteMapHeader(2), "*4\r\n", "%2\r\n");
        Show(writer => writer.WriteMapHeader(int.MaxValue), "*4294967294\r\n", "%2147483647\r\n");
        Show(writer => writer.WriteSetHeader(2), "*2\r\n", "~2\r\n");
        Show(writer => writer.WritePushHeader(2), "*2\r\n", ">2\r\n");
        Assert.Equal("|1\r\n", Written(writer => writer.WriteAttributeHeader(1), RespVersion.Resp3));
    }

    [Fact]
    public void What_would_break_the_format_is_refused_and_nothing_of_it_is_written()
    {
        foreach (var version in (RespVersion[])[RespVersion.Resp2, RespVersion.Resp3])
        {
            Refuses<MessageFormatException>(writer => writer.WriteSimpleString("a\rb"u8), version);
            Refuses<MessageFormatException>(writer => writer.WriteSimpleString("a\nb"u8), version);
            Refuses<MessageFormatException>(writer => writer.WriteError("a\nb"u8), version);
            Refuses<MessageFormatException>(writer => writer.WriteError("a\rb"), version);
            Refuses<MessageFormatException>(writer => writer.WriteBigNumber("1.5"u8), version);
            Refuses<MessageFormatException>(writer => writer.WriteBigNumber("-"u8), version);
            Refuses<MessageFormatException>(writer => writer.WriteVerbatimString("text"u8, "a"u8), version);
            Refuses<ArgumentOutOfRangeException>(writer => writer.WriteArrayHeader(-1), version);
            Refuses<ArgumentOutOfRangeException>(writer => writer.WriteMapHeader(-1), version);
        }

        Refuses<MessageFormatException>(writer => writer.WriteAttributeHeader(1), RespVersion.Resp2);
    }

    [Fact]
    public void Nothing_is_allocated_for_a_value()
    {
        var output = new ArrayBufferWriter<byte>(1024);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                output.ResetWrittenCount();
                var writer = new RespWriter(output, RespVersion.Resp3);
                writer.WriteMapHeader(2);
                writer.WriteSimpleString("a"u8);
                writer.WriteBulkString("b"u8);
                writer.WriteDouble(1.5);
                writer.WriteInteger(i);
                writer.WriteError("ERR text");
            }
        }));
    }

    private static void ShowBoth(Writing write, string expected) => Show(write, expected, expected);

    private static void Show(Writing write, string resp2, string resp3)
    {
        Assert.Equal(resp2, Written(write, RespVersion.Resp2));
        Assert.Equal(resp3, Written(write, RespVersion.Resp3));
    }

    private static string Written(Writing write, RespVersion version)
    {
        var output = new ArrayBufferWriter<byte>();
        write(new RespWriter(output, version));
        return Encoding.Latin1.GetString(output.WrittenSpan);
    }

    private static void Refuses<TException>(Writing write, RespVersion version)
        where TException : Exception
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<TException>(() => write(new RespWriter(output, version)));
        Assert.Equal(0, output.WrittenCount);
    }
}
