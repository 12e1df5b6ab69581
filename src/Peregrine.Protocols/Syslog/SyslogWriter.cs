using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Peregrine.Protocols.Syslog;

namespace Peregrine.Protocols;

/// <summary>
/// Messages of syslog over TCP and TLS (RFC 6587): of RFC 5424 from their fields, and any others as they are, for example to pass on what was received.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class SyslogWriter : IMessageWriter<SyslogEntry>, IMessageWriter<ReadOnlySequence<byte>>
{
    [ThreadStatic]
    private static PendingBytes? t_scratch;

    private readonly FrameRules _rules;

    /// <inheritdoc cref="SyslogReader(SyslogOptions?)"/>
    public SyslogWriter(SyslogOptions? options = null) => _rules = new FrameRules(options ?? new SyslogOptions());

    /// <inheritdoc/>
    /// <remarks>Refused is what has a field that RFC 5424 does not allow, what is too large, and, without counting, a text with the trailer in it.</remarks>
    public void Write(SyslogEntry message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(message);

        // The length of the whole comes first.
        var scratch = t_scratch ?? new PendingBytes();
        t_scratch = null;
        try
        {
            WriteHeader(message, scratch);
            scratch.Write(message.StructuredData is [] ? "-"u8 : message.StructuredData);
            if (message.Text is { Length: > 0 } text)
            {
                scratch.Write(message.HasByteOrderMark ? " \uFEFF"u8 : " "u8);
                Encoding.UTF8.GetBytes(text, scratch);
            }

            scratch.TryGetSingle(out var bytes);
            Write(new ReadOnlySequence<byte>(bytes), output);
        }
        finally
        {
            scratch.Clear();
            t_scratch = scratch;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Refused is what is empty, what is too large, and, without counting, what has the trailer in it or begins with a digit, which receivers take for a length.</remarks>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (message.IsEmpty)
        {
            throw new MessageFormatException("A message of syslog is not empty.");
        }

        if (message.Length > _rules.MaxMessage)
        {
            throw new MessageTooLargeException(message.Length, _rules.MaxMessage);
        }

        var isCounted = _rules.Framing != SyslogFraming.NonTransparent;
        if (isCounted)
        {
            Span<byte> count = stackalloc byte[FrameRules.MostDigits + 1];
            Utf8Formatter.TryFormat(message.Length, count, out var digits);
            count[digits] = (byte)' ';
            output.Write(count[..(digits + 1)]);
        }
        else
        {
            CheckLine(message);
        }

        output.Write(message);

        output.Write(isCounted ? [] : _rules.Trailer);
    }

    private static void WriteHeader(SyslogEntry entry, PendingBytes output)
    {
        if (!Enum.IsDefined(entry.Facility) || !Enum.IsDefined(entry.Severity))
        {
            throw new MessageFormatException($"A message has a facility of {(int)entry.Facility} and a severity of {(int)entry.Severity}: 0 to 23, and 0 to 7, are valid.");
        }

        var start = output.GetSpan(64);
        start[0] = (byte)'<';
        Utf8Formatter.TryFormat(((int)entry.Facility << 3) | (int)entry.Severity, start[1..], out var length);
        length++;
        ">1 "u8.CopyTo(start[length..]);
        length += 3;
        if (entry.Timestamp is { } timestamp)
        {
            timestamp.TryFormat(start[length..], out var written, "yyyy-MM-dd'T'HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);
            length += written;
        }
        else
        {
            start[length++] = (byte)'-';
        }

        start[length++] = (byte)' ';
        output.Advance(length);
        WriteField(entry.HostName, FieldRules.MostHostName, nameof(entry.HostName), output);
        WriteField(entry.AppName, FieldRules.MostAppName, nameof(entry.AppName), output);
        WriteField(entry.ProcessId, FieldRules.MostProcessId, nameof(entry.ProcessId), output);
        WriteField(entry.MessageId, FieldRules.MostMessageId, nameof(entry.MessageId), output);
    }

    private static void WriteField(string? value, int most, string name, PendingBytes output)
    {
        if (string.IsNullOrEmpty(value))
        {
            output.Write("- "u8);
            return;
        }

        if (value.Length > most || value.AsSpan().ContainsAnyExceptInRange((char)FieldRules.FirstVisible, (char)FieldRules.LastVisible))
        {
            throw new MessageFormatException($"{name} has {value.Length} characters: up to {most} of visible ASCII are valid.");
        }

        Encoding.ASCII.GetBytes(value, output);
        output.Write(" "u8);
    }

    private void CheckLine(in ReadOnlySequence<byte> message)
    {
        if (message.FirstByte() is >= (byte)'1' and <= (byte)'9')
        {
            throw new MessageFormatException("A message that is not counted begins with a digit, which is taken for its length.");
        }

        // A trailer of two may also begin with the message's last byte.
        var trailer = _rules.Trailer;
        var reader = new SequenceReader<byte>(message);
        var endsLikeTrailer = trailer.Length == 2 && trailer[0] == trailer[1] && message.LastByte() == trailer[0];
        if (endsLikeTrailer || reader.TryReadTo(out ReadOnlySequence<byte> _, trailer))
        {
            throw new MessageFormatException("A message that is not counted has its trailer in it.");
        }
    }
}
