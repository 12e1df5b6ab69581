using System.Buffers;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>The framings that are measured: a line for each.</summary>
internal static class Framings
{
    private static readonly byte[] s_message = [.. RandomMessage.Of(64).Where(value => value is not (0 or 0x7D or 0x7E or 0xC0 or 0xDB)).Take(32)];

    /// <summary>It has a byte of each mark and escape.</summary>
    private static readonly byte[] s_escaped = [.. s_message[..10], 0x7E, 0xC0, 0, .. s_message[..10], 0x7D, 0xDB, .. s_message[..7]];

    private static readonly byte[] s_json = [.. "{\"id\":12345,\"name\":\"thirty two\"}"u8];
    private static readonly byte[] s_line = [.. "a line that has thirty-two bytes"u8];
    private static readonly DelimiterOptions s_delimiters = new() { Delimiters = { "\0\0"u8.ToArray() } };

    public static IReadOnlyList<Framing> All { get; } =
    [
        Of("cobs", () => new CobsReader(), new CobsWriter(), s_message),
        Of("cobs-decoded", () => new CobsReader(), new CobsWriter(), s_escaped),
        Of("delimiter", () => new DelimiterReader(s_delimiters), new DelimiterWriter(s_delimiters), s_message),
        Of("fixed-size", () => new FixedSizeReader(s_message.Length), new FixedSizeWriter(s_message.Length), s_message),
        Of("hdlc", () => new HdlcReader(), new HdlcWriter(), s_message),
        Of("hdlc-checked-decoded", () => new HdlcReader(new() { HasFrameCheckSequence = true }), new HdlcWriter(new() { HasFrameCheckSequence = true }), s_escaped),
        Of("json-value", () => new JsonValueReader(), new JsonValueWriter(), s_json),
        Of("length-field", () => new LengthFieldReader(), new LengthFieldWriter(), s_message),
        Of("line", () => new LineReader(), new LineWriter(), s_line),
        Of("netstring", () => new NetstringReader(), new NetstringWriter(), s_message),
        Of("resp-command", () => new RespCommandReader(), WriteCommand, command => command.Count == 3 && command[2].SequenceEqual(s_message)),
        Of("resp-value", () => new RespValueReader(), output => Resp3(output).WriteBulkString(s_message), value => value.Bytes.ToArray().AsSpan().SequenceEqual(s_message)),
        Of("slip", () => new SlipReader(), new SlipWriter(), s_message),
        Of("slip-decoded", () => new SlipReader(), new SlipWriter(), s_escaped),
        StompAndSyslog.StompFrames,
        StompAndSyslog.SyslogFrames,
        StompAndSyslog.SyslogMessages,
        Of("varint", () => new VarintReader(), new VarintWriter(), s_message),
    ];

    private static RespWriter Resp3(IBufferWriter<byte> output) => new(output, RespVersion.Resp3);

    private static void WriteCommand(IBufferWriter<byte> output)
    {
        var writer = Resp3(output);
        writer.WriteArrayHeader(3);
        writer.WriteBulkString("SET"u8);
        writer.WriteBulkString("key"u8);
        writer.WriteBulkString(s_message);
    }

    /// <summary>A framing of bytes.</summary>
    private static Framing<ReadOnlySequence<byte>> Of(
        string name, Func<IMessageReader<ReadOnlySequence<byte>>> create, IMessageWriter<ReadOnlySequence<byte>> writer, byte[] message) =>
        new(name, create, output => writer.Write(new ReadOnlySequence<byte>(message), output), read => read.ToArray().AsSpan().SequenceEqual(message));

    /// <summary>Any other format.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="create">Its reader.</param>
    /// <param name="write">Writes one message.</param>
    /// <param name="isSame">It is the message that was written.</param>
    private static Framing<TMessage> Of<TMessage>(string name, Func<IMessageReader<TMessage>> create, Action<IBufferWriter<byte>> write, Func<TMessage, bool> isSame)
        where TMessage : allows ref struct => new(name, create, write, isSame);
}
