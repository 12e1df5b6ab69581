using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Resp;

public sealed class RespCommandTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData("PING\r\n", "[PING]")]
    [InlineData("PING\n", "[PING]")]
    [InlineData("  set\ta \v b\f\r\n", "[set][a][b]")]
    [InlineData("set \"a b\" 'c d'\r\n", "[set][a b][c d]")]
    [InlineData("set \"\" ''\r\n", "[set][][]")]
    [InlineData("a \"\\x41\\n\\r\\t\\a\\b\\\\\\\"\\q\"\r\n", "[a][A\n\r\t\a\b\\\"q]")]
    [InlineData("a \"\\x4\\x4g\"\r\n", "[a][x4x4g]")]
    [InlineData("a 'it\\'s \\n'\r\n", "[a][it's \\n]")]
    [InlineData("a b\"c d\"\r\n", "[a][bc d]")]
    [InlineData("a \\n\r\n", "[a][\\n]")]
    [InlineData("\r\n\n  \r\nPING\r\n*0\r\n*-1\r\n*-5\r\nPING\r\n", "[PING] [PING]")]
    [InlineData("*1\r\n$4\r\nPING\r\nPING\r\n*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n", "[PING] [PING] [][\r\n]")]
    [InlineData("a\0b\r\n", "[a\0b]")]
    public void Commands_are_arrays_and_lines(string bytes, string expected)
    {
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var (messages, error) = Read(bytes, isByteByByte, segment);
            Assert.Null(error);
            Assert.Equal(expected, string.Join(' ', messages));
        }
    }

    [Theory]
    [InlineData("*x", "invalid multibulk length")]
    [InlineData("*+", "invalid multibulk length")]
    [InlineData("*01\r", "invalid multibulk length")]
    [InlineData("*\r", "invalid multibulk length")]
    [InlineData("*--", "invalid multibulk length")]
    [InlineData("*-0\r", "invalid multibulk length")]
    [InlineData("*1\rx", "invalid multibulk length")]
    [InlineData("*2147483648\r", "invalid multibulk length")]
    [InlineData("*12345678901", "invalid multibulk length")]
    [InlineData("*99999999999999999999", "invalid multibulk length")]
    [InlineData("*1\r\n+", "expected '$', got '+'")]
    [InlineData("*1\r\n\u001B", "expected '$', got 0x1B")]
    [InlineData("*1\r\n$-\r", "invalid bulk length")]
    [InlineData("*1\r\n$-1\r\n", "invalid bulk length")]
    [InlineData("*1\r\n$x", "invalid bulk length")]
    [InlineData("*1\r\n$18446744073709551617", "invalid bulk length")]
    [InlineData("*1\r\n$1\r\naXX", "expected CR and LF")]
    [InlineData("*1\r\n$1\r\na\rX", "expected CR and LF")]
    [InlineData("set \"a\r\n", "unbalanced quotes in request")]
    [InlineData("set 'a\r\n", "unbalanced quotes in request")]
    [InlineData("set \"a\"b\r\n", "unbalanced quotes in request")]
    [InlineData("set \"a\\\"\r\n", "unbalanced quotes in request")]
    public void What_is_wrong_is_said_in_the_words_of_redis(string bytes, string expected)
    {
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var (messages, error) = Read(bytes, isByteByByte, segment);
            Assert.Empty(messages);
            Assert.Equal("Protocol error: " + expected, error?.Message);
        }
    }

    [Theory]
    [InlineData("*4\r\n", "MaxArguments (3)")]
    [InlineData("*1\r\n$11\r\n", "MaxBulkLengthInBytes (10)")]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$7\r\n", null)]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$7\r\n", "MaxMessageSizeInBytes (50)")]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n", null)]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$7\r\n0123456\r\n", "MaxMessageSizeInBytes (50)")]
    [InlineData("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$6\r\n012345\r\n", null)]
    [InlineData("01234567890123456789x", "MaxLineLengthInBytes (20)")]
    [InlineData("012345678901234567890\n", "MaxLineLengthInBytes (20)")]
    [InlineData("0123456789012345678\n", null)]
    public void What_is_too_large_is_refused_as_soon_as_that_is_known(string bytes, string? expected)
    {
        var options = new RespOptions { MaxArguments = 3, MaxBulkLengthInBytes = 10, MaxMessageSizeInBytes = 50, MaxLineLengthInBytes = 20 };
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var error = Read(bytes, isByteByByte, segment, options).Error;
            Assert.Equal(expected is null ? null : typeof(MessageTooLargeException), error?.GetType());
            Assert.EndsWith(expected ?? "", error?.Message ?? "", StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_empty_counts_to_the_size_of_the_command_behind_it()
    {
        var options = new RespOptions { MaxMessageSizeInBytes = 50 };
        foreach (var (isByteByByte, segment) in ((bool, int)[])[(false, int.MaxValue), (false, 1), (true, 3), (true, int.MaxValue)])
        {
            var most = "*0\r\n" + string.Concat(Enumerable.Repeat("\r\n", 20)) + "PING\r\n";
            Assert.Equal(["[PING]", "[PING]"], Read(most + most, isByteByByte, segment, options).Messages);
            Assert.IsType<MessageTooLargeException>(Read("\n" + most, isByteByByte, segment, options).Error);
            Assert.IsType<MessageTooLargeException>(Read(new string('\n', 51), isByteByByte, segment, options).Error);
            Assert.Null(Read(new string('\n', 50), isByteByByte, segment, options).Error);
        }
    }

    [Fact]
    public void A_command_of_more_arguments_than_could_be_sent_is_refused_at_its_first_line()
    {
        Assert.IsType<MessageTooLargeException>(Read("*16\r\n", isByteByByte: false, int.MaxValue, new RespOptions { MaxMessageSizeInBytes = 100 }).Error);
        Assert.Null(Read("*15\r\n", isByteByByte: false, int.MaxValue, new RespOptions { MaxMessageSizeInBytes = 100 }).Error);
        Assert.IsType<MessageTooLargeException>(Read("*1048577\r\n", isByteByByte: false, int.MaxValue, new RespOptions { MaxMessageSizeInBytes = int.MaxValue }).Error);
    }

    [Fact]
    public void What_is_wrong_is_wrong_again_and_only_a_bad_line_can_be_skipped()
    {
        var reader = new RespCommandReader();
        foreach (var (bytes, skipped) in ((string, int)[])[("*2\r\n$1\r\na\r\n$x\r\n", 0), ("a \"\r\nPING\r\n", 5), ("\r\n*x\r\n", 0), ("\r\na \"\r\n", 7)])
        {
            for (var i = 0; i < 2; i++)
            {
                var input = new ReadOnlySequence<byte>(Encoding.Latin1.GetBytes(bytes));
                var (consumed, examined) = (input.Start, input.Start);
                Assert.Throws<MessageFormatException>(() => reader.TryParse(input, ref consumed, ref examined, out _));
                Assert.Equal(skipped, input.GetOffset(consumed));
            }
        }
    }

    [Theory]
    [InlineData(0, 1, 1, 1, 1)]
    [InlineData(1, -1, 1, 1, 1)]
    [InlineData(1, 1, 0, 1, 1)]
    [InlineData(1, 1, 1, 0, 1)]
    [InlineData(1, 1, 1, 1, -1)]
    [InlineData(1, 1, 1, 1, 1025)]
    public void Options_out_of_range_are_refused(int message, int bulk, int line, int arguments, int depth)
    {
        var options = new RespOptions
        {
            MaxMessageSizeInBytes = message, MaxBulkLengthInBytes = bulk, MaxLineLengthInBytes = line, MaxArguments = arguments, MaxDepth = depth,
        };
        Assert.Throws<ArgumentOutOfRangeException>(() => new RespCommandReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RespValueReader(options));
    }

    /// <summary>Were it looked at from its beginning for each byte, it would take hours.</summary>
    [Fact]
    public async Task A_million_arguments_that_come_byte_by_byte_are_each_looked_at_once()
    {
        const int Arguments = 1024 * 1024;
        var bytes = Encoding.ASCII.GetBytes($"*{Arguments}\r\n" + string.Concat(Enumerable.Repeat("$1\r\na\r\n", Arguments)));
        var count = await Task.Run(() => ReadByteByByte(new RespCommandReader(new RespOptions { MaxMessageSizeInBytes = bytes.Length }), bytes, command => command.Count))
            .WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(Arguments, count);
    }

    [Fact]
    public async Task A_long_line_that_comes_byte_by_byte_is_searched_once()
    {
        byte[] bytes = [.. Enumerable.Repeat((byte)'a', 4 * 1024 * 1024), (byte)'\n'];
        var options = new RespOptions { MaxMessageSizeInBytes = bytes.Length, MaxLineLengthInBytes = bytes.Length };
        var length = await Task.Run(() => ReadByteByByte(new RespCommandReader(options), bytes, command => command[0].Length)).WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(bytes.Length - 1, length);
    }

    [Fact]
    public void Nothing_is_allocated_for_a_command()
    {
        var whole = new ReadOnlySequence<byte>("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nbcd\r\n"u8.ToArray());
        var cut = Segments.Of(whole.ToArray(), 3, 10, 20, 28);
        var inline = new ReadOnlySequence<byte>("SET a \"bcd\"\r\n"u8.ToArray());
        var reader = new RespCommandReader();
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                Take(reader, whole);
                Take(reader, cut);
                Take(reader, inline);
            }
        }));
    }

    internal static TResult ReadByteByByte<TMessage, TResult>(IMessageReader<TMessage> reader, byte[] bytes, Func<TMessage, TResult> result)
        where TMessage : allows ref struct
    {
        var looked = 0L;
        for (var end = 1; ; end++)
        {
            var input = new ReadOnlySequence<byte>(bytes, 0, end);
            var consumed = input.Start;
            var examined = input.GetPosition(looked);
            if (reader.TryParse(input, ref consumed, ref examined, out var message))
            {
                Assert.Equal(bytes.Length, end);
                return result(message!);
            }

            looked = input.GetOffset(examined);
        }
    }

    private static void Take(RespCommandReader reader, in ReadOnlySequence<byte> input)
    {
        var (consumed, examined) = (input.Start, input.Start);
        if (!reader.TryParse(input, ref consumed, ref examined, out var command) || command.Count != 3 || command[2].Length != 3 || command.GetSequence(0).Length != 3)
        {
            throw new InvalidOperationException("The command is not there.");
        }
    }

    private static (List<string> Messages, MessageFormatException? Error) Read(string bytes, bool isByteByByte, int segmentSize, RespOptions? options = null) =>
        RespReading.Read(new RespCommandReader(options), Encoding.Latin1.GetBytes(bytes), isByteByByte, segmentSize, RespReading.Show);
}
