using System.Buffers;
using System.Text;
using Peregrine.Protocols.Syslog;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>A message of RFC 5424 to be written. One that is used again keeps its memory; <see cref="Clear"/> makes it a new one.</summary>
/// <remarks>
/// <para>One flow uses it; it may be changed as soon as the write has returned or, of an asynchronous one, was called.</para>
/// <para>Half of a pair of surrogates, in the text or a value, becomes U+FFFD: no log is lost for it.</para>
/// </remarks>
public sealed class SyslogEntry
{
    private readonly ArrayBufferWriter<byte> _structuredData = new();

    /// <summary>What writes it. Default <see cref="SyslogFacility.User"/>.</summary>
    public SyslogFacility Facility { get; set; } = SyslogFacility.User;

    /// <summary>How bad it is. Default <see cref="SyslogSeverity.Informational"/>.</summary>
    public SyslogSeverity Severity { get; set; } = SyslogSeverity.Informational;

    /// <summary>When it happened. Written to the microsecond, with its offset. Default null: not given.</summary>
    public DateTimeOffset? Timestamp { get; set; }

    /// <summary>The sender's name, with its domain, or its address. Up to 255 characters of visible ASCII. Default null, and the same if empty: not given.</summary>
    public string? HostName { get; set; }

    /// <summary>The program. Up to 48 characters of visible ASCII. Default null, and the same if empty: not given.</summary>
    public string? AppName { get; set; }

    /// <summary>Its process, PROCID. Up to 128 characters of visible ASCII. Default null, and the same if empty: not given.</summary>
    public string? ProcessId { get; set; }

    /// <summary>The kind of message, MSGID. Up to 32 characters of visible ASCII. Default null, and the same if empty: not given.</summary>
    public string? MessageId { get; set; }

    /// <summary>What is for people to read. Default null: nothing.</summary>
    public string? Text { get; set; }

    /// <summary>
    /// The text is marked as UTF-8, which it is, as RFC 5424 wants it. Default false, because of receivers that show the mark as a part of the text.
    /// </summary>
    public bool HasByteOrderMark { get; set; }

    internal ReadOnlySpan<byte> StructuredData => _structuredData.WrittenSpan;

    /// <summary>Adds an element of structured data.</summary>
    /// <param name="id">A registered id, or one with an at sign and an enterprise number: <c>example@32473</c>. It must not be there already, which is not checked.</param>
    /// <param name="parameters">Names, and their values, which are escaped. An id and a name have 1 to 32 characters of visible ASCII, without an equals sign, a quotation mark and a closing bracket.</param>
    /// <exception cref="MessageFormatException">An id or a name is none. The element is not added.</exception>
    public SyslogEntry AddElement(string id, params ReadOnlySpan<(string Name, string Value)> parameters)
    {
        // Before anything is added.
        CheckName(id);
        foreach (var (name, _) in parameters)
        {
            CheckName(name);
        }

        _structuredData.Write("["u8);
        Encoding.ASCII.GetBytes(id, _structuredData);
        foreach (var (name, value) in parameters)
        {
            _structuredData.Write(" "u8);
            Encoding.ASCII.GetBytes(name, _structuredData);
            _structuredData.Write("=\""u8);
            WriteValue(value);
            _structuredData.Write("\""u8);
        }

        _structuredData.Write("]"u8);
        return this;
    }

    /// <summary>Everything is as in a new one.</summary>
    public void Clear()
    {
        (Facility, Severity) = (SyslogFacility.User, SyslogSeverity.Informational);
        Timestamp = null;
        HostName = AppName = ProcessId = MessageId = Text = null;
        HasByteOrderMark = false;
        _structuredData.ResetWrittenCount();
    }

    private static void CheckName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length is < 1 or > FieldRules.MostName || name.AsSpan().ContainsAnyExcept(FieldRules.NameChars))
        {
            throw new MessageFormatException(
                $"An id or a name of structured data has {name.Length} characters: 1 to {FieldRules.MostName} of visible ASCII without =, \" and ] are valid.");
        }
    }

    private void WriteValue(string value)
    {
        var most = Encoding.UTF8.GetMaxByteCount(value.Length);
        var bytes = ArrayPool<byte>.Shared.Rent(most);
        var length = Encoding.UTF8.GetBytes(value, bytes);
        Escapes.Syslog.Write(bytes.AsSpan(0, length), _structuredData);
        ArrayPool<byte>.Shared.Return(bytes);
    }
}
