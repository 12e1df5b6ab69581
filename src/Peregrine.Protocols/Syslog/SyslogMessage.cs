using System.Buffers;
using Peregrine.Protocols.Syslog;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>
/// A message of RFC 5424: a view over its bytes. A field that is not given (NILVALUE, a minus sign) is empty. For a datagram of RFC 5426 as well: its payload is the message.
/// </summary>
public readonly struct SyslogMessage
{
    private readonly ReadOnlySequence<byte> _bytes;
    private readonly MessageParts _parts;

    private SyslogMessage(in ReadOnlySequence<byte> bytes, in MessageParts parts)
    {
        _bytes = bytes;
        _parts = parts;
    }

    /// <summary>What has written it.</summary>
    public SyslogFacility Facility => (SyslogFacility)(_parts.Priority >> 3);

    /// <summary>How bad it is.</summary>
    public SyslogSeverity Severity => (SyslogSeverity)(_parts.Priority & 7);

    /// <summary>When it was written, to the microsecond. Null if that is not given. An offset of more than 14 hours, which is valid, becomes UTC.</summary>
    public DateTimeOffset? Timestamp => _parts.Timestamp;

    /// <summary>Where it comes from: a name or an address, as the sender says. Up to 255 bytes of visible ASCII.</summary>
    public WireText HostName => TextOf(_parts.HostName);

    /// <summary>The program. Up to 48 bytes of visible ASCII.</summary>
    public WireText AppName => TextOf(_parts.AppName);

    /// <summary>Its process, PROCID. Up to 128 bytes of visible ASCII, which need not be a number.</summary>
    public WireText ProcessId => TextOf(_parts.ProcessId);

    /// <summary>The kind of message, MSGID. Up to 32 bytes of visible ASCII.</summary>
    public WireText MessageId => TextOf(_parts.MessageId);

    /// <summary>What is for machines to read.</summary>
    public SyslogStructuredData StructuredData => new(_bytes.Slice(_parts.StructuredData.Start, _parts.StructuredData.Length));

    /// <summary>What is for people to read, MSG, without its byte order mark. It may be empty, and any bytes if it has none.</summary>
    public ReadOnlySequence<byte> Text => _bytes.Slice(_parts.TextStart);

    /// <summary>The text is in UTF-8, its sender says.</summary>
    public bool HasByteOrderMark => _parts.HasByteOrderMark;

    /// <summary>
    /// Parses a message. Every rule of RFC 5424 for senders is kept, but that structured data is valid UTF-8 and has each id once: what is no such message is handed on by a receiver as it is.
    /// </summary>
    /// <param name="bytes">The whole message, without framing. It is valid as long as they are.</param>
    /// <param name="message">The message.</param>
    /// <returns>False if it is none, as those of RFC 3164, and any that was cut too early.</returns>
    public static bool TryParse(in ReadOnlySequence<byte> bytes, out SyslogMessage message)
    {
        message = default;
        MessageParts parts;
        if (bytes.IsSingleSegment)
        {
            if (!MessageParser.TryParse(bytes.FirstSpan, out parts))
            {
                return false;
            }
        }
        else if (bytes.Length > Array.MaxLength || !TryParseCopy(bytes, out parts))
        {
            return false;
        }

        message = new SyslogMessage(bytes, parts);
        return true;
    }

    private static bool TryParseCopy(in ReadOnlySequence<byte> bytes, out MessageParts parts)
    {
        var length = (int)bytes.Length;
        var copy = ArrayPool<byte>.Shared.Rent(length);
        bytes.CopyTo(copy);
        var isMessage = MessageParser.TryParse(copy.AsSpan(0, length), out parts);
        ArrayPool<byte>.Shared.Return(copy);
        return isMessage;
    }

    private WireText TextOf(Part part) => new(_bytes.Slice(part.Start, part.Length), Escapes.None);
}
