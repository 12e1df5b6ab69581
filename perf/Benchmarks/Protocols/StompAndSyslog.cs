using System.Buffers;
using System.Text;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>Frames of STOMP with three headers and a body of 32 bytes; messages of syslog with all fields, one element of structured data and a text.</summary>
internal static class StompAndSyslog
{
    private static readonly StompWriter s_stomp = new();
    private static readonly SyslogWriter s_counted = new();
    private static readonly SyslogWriter s_lines = new(new() { Framing = SyslogFraming.NonTransparent });
    private static readonly byte[] s_body = RandomMessage.Of(32);
    private static readonly StompFrameBuilder s_frame = new StompFrameBuilder(StompCommand.Send) { Body = new ReadOnlySequence<byte>(s_body) }
        .Add("destination", "/queue/a").Add("content-type", "text/plain").Add("receipt", "message-12345");
    private static readonly SyslogEntry s_entry = new SyslogEntry
    {
        Timestamp = DateTimeOffset.UnixEpoch,
        HostName = "host.example.org",
        AppName = "app",
        ProcessId = "12345",
        MessageId = "ID47",
        Text = "An application event log entry",
    }.AddElement("exampleSDID@32473", ("iut", "3"), ("eventSource", "Application"));

    public static Framing StompFrames { get; } = new Framing<StompFrame>(
        "stomp", () => new StompReader(), output => s_stomp.Write(s_frame, output),
        frame => frame.Headers.TryGet("receipt"u8, out var receipt) && receipt.SequenceEqual("message-12345"u8) && frame.Body.ToArray().AsSpan().SequenceEqual(s_body));

    /// <summary>The framing alone, counted.</summary>
    public static Framing SyslogFrames { get; } = new Framing<SyslogFrame>(
        "syslog-frame", () => new SyslogReader(), output => s_counted.Write(s_entry, output), frame => frame.Bytes.Length > 100 && !frame.IsTruncated);

    /// <summary>The message too, in lines.</summary>
    public static Framing SyslogMessages { get; } = new Framing<SyslogMessage>(
        "syslog-message", () => new SyslogMessageReader(), output => s_lines.Write(s_entry, output),
        message => message.StructuredData.TryGet("exampleSDID@32473"u8, "eventSource"u8, out var source) && source.SequenceEqual("Application"u8)
            && Encoding.UTF8.GetString(message.Text) == s_entry.Text);

    private sealed class SyslogMessageReader : IMessageReader<SyslogMessage>
    {
        private readonly SyslogReader _frames = new();

        public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out SyslogMessage message)
        {
            message = default;
            return _frames.TryParse(input, ref consumed, ref examined, out var frame)
                && (SyslogMessage.TryParse(frame.Bytes, out message) ? true : throw new MessageFormatException("It is no message of RFC 5424."));
        }
    }
}
