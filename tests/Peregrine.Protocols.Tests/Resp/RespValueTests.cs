using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Resp;

public sealed class RespValueTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData("+OK\r\n", "SimpleString OK")]
    [InlineData("+\r\n", "SimpleString ")]
    [InlineData("-ERR no\r\n", "Error ERR no")]
    [InlineData(":0\r\n", "Integer 0")]
    [InlineData(":+07\r\n", "Integer 7")]
    [InlineData(":-9223372036854775808\r\n", "Integer -9223372036854775808")]
    [InlineData("$5\r\na\r\nbc\r\n", "BulkString a\r\nbc")]
    [InlineData("$-1\r\n", "Null")]
    [InlineData("*-1\r\n", "Null")]
    [InlineData("_\r\n", "Null")]
    [InlineData("*0\r\n", "Array()")]
    [InlineData("*3\r\n:1\r\n*1\r\n*-1\r\n$0\r\n\r\n", "Array(Integer 1, Array(Null), BulkString )")]
    [InlineData("#t\r\n#f\r\n", "Boolean True|Boolean False")]
    [InlineData(",1.25\r\n,-3e2\r\n,+4\r\n,1e999\r\n", "Double 1.25|Double -300|Double 4|Double Infinity")]
    [InlineData(",inf\r\n,-inf\r\n,nan\r\n,-nan\r\n", "Double Infinity|Double -Infinity|Double NaN|Double NaN")]
    [InlineData("(3492890328409238509324850943850943825024385\r\n(-1\r\n", "BigNumber 3492890328409238509324850943850943825024385|BigNumber -1")]
    [InlineData("!5\r\nERR a\r\n", "BulkError ERR a")]
    [InlineData("=8\r\nmkd:*a\r\n\r\n=4\r\ntxt:\r\n", "VerbatimString mkd/*a\r\n|VerbatimString txt/")]
    [InlineData("%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n", "Map(SimpleString a, Integer 1, SimpleString b, Map())")]
    [InlineData("~2\r\n:1\r\n:1\r\n>2\r\n+message\r\n_\r\n", "Set(Integer 1, Integer 1)|Push(SimpleString message, Null)")]
    [InlineData("|1\r\n+ttl\r\n:3\r\n+a\r\n", "Attribute(SimpleString ttl, Integer 3) SimpleString a")]
    [InlineData("*1\r\n|1\r\n+k\r\n*1\r\n_\r\n:2\r\n", "Array(Attribute(SimpleString k, Array(Null)) Integer 2)")]
    [InlineData("|0\r\n|1\r\n+k\r\n|1\r\n+x\r\n+y\r\n+v\r\n|1\r\n+l\r\n+w\r\n:2\r\n", "Attribute(SimpleString k, Attribute(SimpleString x, SimpleString y) SimpleString v) Integer 2")]
    public void Values_of_every_type_are_read(string bytes, string expected)
    {
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var (messages, error) = Read(bytes, isByteByByte, segment);
            Assert.Null(error);
            Assert.Equal(expected, string.Join('|', messages));
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("\r\n")]
    [InlineData("+a\n")]
    [InlineData("+\n")]
    [InlineData("+a\rb\r\n")]
    [InlineData(":\r\n")]
    [InlineData(":1a\r\n")]
    [InlineData(":9223372036854775808\r\n")]
    [InlineData(":00000000000000000000000000000000001")]
    [InlineData("$-2\r\n")]
    [InlineData("$\r\n")]
    [InlineData("$2147483648\r\n")]
    [InlineData("$99999999999999999999999999999999999")]
    [InlineData("$?\r\n")]
    [InlineData("*?\r\n")]
    [InlineData("%?\r\n")]
    [InlineData("*-2\r\n")]
    [InlineData("%-1\r\n")]
    [InlineData("~-1\r\n")]
    [InlineData("!-1\r\n")]
    [InlineData("$1\r\nabc")]
    [InlineData("_x\r\n")]
    [InlineData("#x\r\n")]
    [InlineData("#\r\n")]
    [InlineData(",\r\n")]
    [InlineData(",Infinity\r\n")]
    [InlineData(",NaN\r\n")]
    [InlineData(",1,5\r\n")]
    [InlineData(", 1\r\n")]
    [InlineData("(\r\n")]
    [InlineData("(-\r\n")]
    [InlineData("(1-\r\n")]
    [InlineData("=3\r\ntxt\r\n")]
    [InlineData("=4\r\ntxtx\r\n")]
    public void What_is_no_value_is_refused(string bytes)
    {
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var (messages, error) = Read(bytes, isByteByByte, segment);
            Assert.Empty(messages);
            Assert.IsType<MessageFormatException>(error);
            Assert.StartsWith("Protocol error: ", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("$11\r\n", "MaxBulkLengthInBytes (10)")]
    [InlineData("$10\r\n0123456789\r\n", null)]
    [InlineData("+012345678901234567890", null)]
    [InlineData("+01234567890123456789\r\n", null)]
    [InlineData("+0123456789012345678901", "MaxLineLengthInBytes (20)")]
    [InlineData("+012345678901234567890\r\n", "MaxLineLengthInBytes (20)")]
    [InlineData("(012345678901234567890\r\n", "MaxLineLengthInBytes (20)")]
    [InlineData("*16\r\n", "MaxMessageSizeInBytes (50)")]
    [InlineData("*15\r\n", null)]
    [InlineData("%2147483647\r\n", "MaxMessageSizeInBytes (50)")]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$9\r\n", "MaxMessageSizeInBytes (50)")]
    [InlineData("*1\r\n*1\r\n*1\r\n*0\r\n", "MaxDepth (3)")]
    [InlineData("|1\r\n*1\r\n%1\r\n~0\r\n", "MaxDepth (3)")]
    [InlineData("*1\r\n*1\r\n*1\r\n:1\r\n", null)]
    public void What_is_too_large_is_refused_as_soon_as_that_is_known(string bytes, string? expected)
    {
        var options = new RespOptions { MaxDepth = 3, MaxBulkLengthInBytes = 10, MaxMessageSizeInBytes = 50, MaxLineLengthInBytes = 20 };
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var error = Read(bytes, isByteByByte, segment, options).Error;
            Assert.Contains(expected ?? "", error?.Message ?? "", StringComparison.Ordinal);
            Assert.Equal(expected is null, error is null);
        }
    }

    [Fact]
    public void Many_attributes_in_a_row_are_not_deep()
    {
        var bytes = string.Concat(Enumerable.Repeat("|1\r\n+a\r\n+b\r\n", 1_000)) + ":1\r\n";
        Assert.Equal("Attribute(SimpleString a, SimpleString b) Integer 1", Assert.Single(Read(bytes, isByteByByte: false, int.MaxValue, new RespOptions { MaxDepth = 1 }).Messages));
    }

    [Fact]
    public async Task A_large_value_that_comes_byte_by_byte_is_looked_at_once()
    {
        const int Elements = 1024 * 1024;
        var bytes = Encoding.ASCII.GetBytes($"*{Elements}\r\n" + string.Concat(Enumerable.Repeat(":1\r\n", Elements)));
        var options = new RespOptions { MaxMessageSizeInBytes = bytes.Length };
        Assert.Equal(
            Elements, await Task.Run(() => RespCommandTests.ReadByteByByte(new RespValueReader(options), bytes, value => value.Count)).WaitAsync(s_limit, TimeProvider.System));
        byte[] line = [(byte)'+', .. Enumerable.Repeat((byte)'a', 4 * 1024 * 1024), .. "\r\n"u8];
        options = new RespOptions { MaxMessageSizeInBytes = line.Length, MaxLineLengthInBytes = line.Length };
        Assert.Equal(
            line.Length - 3,
            await Task.Run(() => RespCommandTests.ReadByteByByte(new RespValueReader(options), line, value => value.Bytes.Length)).WaitAsync(s_limit, TimeProvider.System));
    }

    [Fact]
    public void A_value_is_of_one_type_only_and_the_default_is_a_null()
    {
        var value = default(RespValue);
        Assert.True(value.IsNull && value.Bytes.IsEmpty && value.Attributes.IsNull && value.Count == 0 && !value.IsError && !value.GetEnumerator().MoveNext());
        Assert.Throws<InvalidOperationException>(() => value.GetInteger());
        Assert.Throws<InvalidOperationException>(() => value.GetDouble());
        Assert.Throws<InvalidOperationException>(() => value.GetBoolean());
        Assert.Equal("", value.GetString());
    }

    [Fact]
    public void Nothing_is_allocated_for_a_value()
    {
        var bytes = new ReadOnlySequence<byte>("|1\r\n+k\r\n:1\r\n%1\r\n$3\r\nkey\r\n*3\r\n,1.5\r\n:12\r\n#t\r\n"u8.ToArray());
        var cut = Segments.Of(bytes.ToArray(), 3, 10, 20, 28);
        var reader = new RespValueReader();
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                Walk(Take(reader, bytes));
                Walk(Take(reader, cut));
            }
        }));

        static void Walk(RespValue value)
        {
            foreach (var element in value)
            {
                Walk(element);
            }
        }
    }

    private static RespValue Take(RespValueReader reader, in ReadOnlySequence<byte> input)
    {
        var (consumed, examined) = (input.Start, input.Start);
        return reader.TryParse(input, ref consumed, ref examined, out var value) ? value : throw new InvalidOperationException("The value is not there.");
    }

    private static (List<string> Messages, MessageFormatException? Error) Read(string bytes, bool isByteByByte, int segmentSize, RespOptions? options = null) =>
        RespReading.Read(new RespValueReader(options), Encoding.Latin1.GetBytes(bytes), isByteByByte, segmentSize, RespReading.Show);
}
