using System.Buffers;
using System.Globalization;
using System.Text;
using Peregrine.Protocols;

namespace Peregrine.Fuzz.Protocols;

/// <summary>The readers that are fuzzed: a line for each, with whole messages to start from (a character is a byte).</summary>
internal static class ReaderTargets
{
    /// <summary>Small, so that inputs are often above it.</summary>
    private const int Most = 64;

    private static readonly RespOptions s_resp = new()
    {
        MaxMessageSizeInBytes = Most, MaxArguments = 5, MaxBulkLengthInBytes = 20, MaxLineLengthInBytes = 30, MaxDepth = 3,
    };

    public static IReadOnlyDictionary<string, ReaderTarget> All { get; } = new SortedDictionary<string, ReaderTarget>(StringComparer.Ordinal)
    {
        ["cobs"] = Of(() => new CobsReader(Most), "\u0003ab\u0002c\0", "\u0001\0", "\u0004abc\0", "\u0001\u0001\u0002a\0"),
        ["delimiter"] = Of(
            () => new DelimiterReader(new DelimiterOptions { Delimiters = { "\r\n"u8.ToArray(), "\0"u8.ToArray() }, MaxMessageSizeInBytes = Most }), "abc\r\n", "a\rb\0"),
        ["delimiter-kept"] = Of(
            () => new DelimiterReader(
                new DelimiterOptions { Delimiters = { "aab"u8.ToArray(), "aa"u8.ToArray() }, KeepsDelimiter = true, EndOfInputEndsMessage = true, MaxMessageSizeInBytes = Most }),
            "baab", "baac"),
        ["fixed-size"] = Of(() => new FixedSizeReader(5), "abcde"),
        ["hdlc"] = Of(() => new HdlcReader(new HdlcOptions { MaxMessageSizeInBytes = Most }), "~ab}^}]c~", "~abc~"),
        ["hdlc-checked"] = Of(
            () => new HdlcReader(new HdlcOptions { ControlCharacterMap = 0x000A_0000, HasFrameCheckSequence = true, MaxMessageSizeInBytes = Most }), "~abc%\u009E~", "~a}^}]}1b}]\"~"),
        ["json-value"] = Of(
            () => new JsonValueReader(new JsonValueOptions { MaxDepth = 4, MaxMessageSizeInBytes = Most }), "{\"a\":[1,\"\\\"}\"]}", " -1.5e3 ", "\u001Etrue\n", "\"\\u0041\""),
        ["length-field"] = Of(() => new LengthFieldReader(new LengthFieldOptions { MaxMessageSizeInBytes = Most }), "\0\0\0\u0003abc", "\0\0\0\0"),
        ["length-field-adjusted"] = Of(
            () => new LengthFieldReader(new LengthFieldOptions { Offset = 1, Width = 2, IsLittleEndian = true, Adjustment = -2, MaxMessageSizeInBytes = Most }), "M\u0005\0abc", "M\u0002\0"),
        ["line"] = Of(() => new LineReader(new LineOptions { MaxMessageSizeInBytes = Most }), "abc\r\n", "a\rb\n", "\n"),
        ["line-crlf"] = Of(() => new LineReader(new LineOptions { Ending = LineEnding.CrLf, EndOfInputEndsLine = true, MaxMessageSizeInBytes = Most }), "abc\r\n", "a\nb\r\n"),
        ["netstring"] = Of(() => new NetstringReader(Most), "3:abc,", "0:,", "12:abcdefghijkl,"),
        ["resp-command"] = Of(
            () => new RespCommandReader(s_resp), DescribeCommand, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "set k \"a \\x41\\n\" 'b\\''\r\n", "\r\n*0\r\n*-1\r\nPING\n", "*1\r\n$0\r\n\r\n"),
        ["resp-value"] = Of(
            () => new RespValueReader(s_resp), DescribeValue, "|1\r\n+k\r\n:-1\r\n*2\r\n$1\r\na\r\n_\r\n", "%1\r\n#t\r\n,-1.5e3\r\n", "~2\r\n(-12\r\n=5\r\ntxt:a\r\n",
            ">1\r\n!4\r\nERR \r\n", "-ERR a\r\n", "$-1\r\n*-1\r\n,inf\r\n"),
        ["slip"] = Of(() => new SlipReader(Most), "\u00C0ab\u00DB\u00DC\u00DB\u00DDc\u00C0", "abc\u00C0"),
        ["stomp"] = Of(
            () => new StompReader(new StompOptions { MaxHeaders = 3, MaxHeaderLineSizeInBytes = 20, MaxBodySizeInBytes = 16, MaxMessageSizeInBytes = Most }), Describe,
            "SEND\ncontent-length:2\na\\c:\\r\\n\\\\\n\n\0a\0", "\nCONNECT\r\nhost:a\\x\r\n\r\n\0\r\n", "MESSAGE\n\nabc\0"),
        ["syslog"] = Of(
            () => new SyslogReader(new SyslogOptions { MaxMessageSizeInBytes = Most }), Describe,
            "27 <1>1 - h a p m [a b=\"\\\"\"] c", "<9>1 2003-10-11T22:14:15.003Z - - - - [a][b c=\"\"] \u00EF\u00BB\u00BFd\n", "<1>a\n"),
        ["syslog-counted"] = Of(
            () => new SyslogReader(new SyslogOptions { Framing = SyslogFraming.OctetCounting, MaxMessageSizeInBytes = Most, TruncatesLargeMessages = false }), Describe, "17 <1>1 - - - - - - ", "1 a"),
        ["syslog-lines"] = Of(
            () => new SyslogReader(new SyslogOptions { Framing = SyslogFraming.NonTransparent, Trailer = "\r\n"u8.ToArray(), MaxMessageSizeInBytes = Most, TruncatesLargeMessages = false }), Describe, "<1>1 - - - - - - a\r\n", "\r\n1 a\r\n"),
        ["varint"] = Of(() => new VarintReader(new VarintOptions { MaxMessageSizeInBytes = Most }), "\u0003abc", "\0", "\u0082\0ab"),
        ["varint-64"] = Of(() => new VarintReader(new VarintOptions { Is64Bit = true, MaxMessageSizeInBytes = Most }), "\u0003abc", "\0", "\u0082\u0080\u0080\u0080\u0080\u0080\0ab"),
    };

    private static string DescribeCommand(RespCommand command)
    {
        var description = "";
        for (var i = 0; i < command.Count; i++)
        {
            ReaderTarget.Require(command[i].SequenceEqual(command.GetSequence(i).ToArray()), "An argument is not the same in one piece.");
            description += Convert.ToHexString(command[i]) + " ";
        }

        return description;
    }

    private static string DescribeValue(RespValue value)
    {
        var attributes = value.Attributes.IsNull ? "" : DescribeValue(value.Attributes);
        var content = value.Type switch
        {
            RespType.Integer => FormattableString.Invariant($"{value.GetInteger()}"),
            RespType.Double => FormattableString.Invariant($"{value.GetDouble()}"),
            RespType.Boolean => $"{value.GetBoolean()}",
            _ => Convert.ToHexString(value.Format.ToArray()) + Convert.ToHexString(value.Bytes.ToArray()),
        };
        var count = 0;
        foreach (var element in value)
        {
            content += $" {DescribeValue(element)}";
            count++;
        }

        ReaderTarget.Require(count == value.Count, "It does not have as many values as it says.");
        return $"{attributes}{value.Type}({content})";
    }

    private static string Describe(StompFrame frame)
    {
        var text = new StringBuilder($"{frame.Command} {frame.CommandText} {Convert.ToHexString(frame.Body.ToArray())}");
        foreach (var header in frame.Headers)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{header.Name}:{header.Value}");
            var name = Encoding.UTF8.GetBytes(header.Name.ToString());
            ReaderTarget.Require(!header.Name.SequenceEqual(name) || frame.Headers.TryGet(name, out _), "A header is not found.");
        }

        return text.ToString();
    }

    private static string Describe(SyslogFrame frame)
    {
        var text = new StringBuilder($"{frame.IsTruncated} {Convert.ToHexString(frame.Bytes.ToArray())}");
        if (SyslogMessage.TryParse(frame.Bytes, out var message))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{message.Facility} {message.Severity} {message.Timestamp:O} {message.HostName} {message.AppName} {message.ProcessId} {message.MessageId}");
            text.Append(CultureInfo.InvariantCulture, $" {message.HasByteOrderMark} {Convert.ToHexString(message.Text.ToArray())}");
            foreach (var element in message.StructuredData)
            {
                text.Append(CultureInfo.InvariantCulture, $"\n{element.Id}");
                foreach (var parameter in element)
                {
                    text.Append(CultureInfo.InvariantCulture, $" {parameter.Name}={parameter.Value}");
                }
            }
        }

        return text.ToString();
    }

    /// <summary>A reader whose messages are bytes.</summary>
    private static ReaderTarget<ReadOnlySequence<byte>> Of(Func<IMessageReader<ReadOnlySequence<byte>>> create, params string[] samples) =>
        new(create, message => Convert.ToHexString(message.ToArray()), message => message.Length, samples);

    /// <summary>Any other reader.</summary>
    /// <param name="create">A new one, as for a connection of its own.</param>
    /// <param name="describe">All that a message says.</param>
    /// <param name="samples">Bytes of whole messages.</param>
    private static ReaderTarget<TMessage> Of<TMessage>(Func<IMessageReader<TMessage>> create, Func<TMessage, string> describe, params string[] samples)
        where TMessage : allows ref struct => new(create, describe, _ => 0, samples);
}
