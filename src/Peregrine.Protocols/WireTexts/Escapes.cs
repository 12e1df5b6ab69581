using System.Buffers;

namespace Peregrine.Protocols.WireTexts;

/// <summary>What a backslash means in a text.</summary>
internal enum Escapes : byte
{
    /// <summary>Itself.</summary>
    None,

    /// <summary>STOMP 1.2, section Value Encoding: \r, \n, \c (a colon) and \\; there are no others, which is checked before.</summary>
    Stomp,

    /// <summary>RFC 5424, section 6.3.3: \", \\ and \]; in front of anything else, a backslash is a backslash.</summary>
    Syslog,
}

/// <summary>From what is on the wire to what it means, and back.</summary>
internal static class EscapesExtensions
{
    private static readonly SearchValues<byte> s_stomp = SearchValues.Create("\r\n:\\"u8);
    private static readonly SearchValues<byte> s_syslog = SearchValues.Create("\"\\]"u8);

    /// <summary>What must not be in a text as it is.</summary>
    public static SearchValues<byte> Special(this Escapes escapes) => escapes == Escapes.Stomp ? s_stomp : s_syslog;

    /// <summary>What a byte behind a backslash stands for, or -1 if the two are no escape.</summary>
    public static int Unescape(this Escapes escapes, byte escaped) => (escapes, escaped) switch
    {
        (Escapes.Stomp, (byte)'r') => '\r',
        (Escapes.Stomp, (byte)'n') => '\n',
        (Escapes.Stomp, (byte)'c') => ':',
        (Escapes.Stomp, (byte)'\\') => '\\',
        (Escapes.Syslog, (byte)'"' or (byte)'\\' or (byte)']') => escaped,
        _ => -1,
    };

    /// <summary>Writes a text, with what must not be in it escaped.</summary>
    public static void Write(this Escapes escapes, ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        var special = escapes.Special();
        int plain;
        while ((plain = text.IndexOfAny(special)) >= 0)
        {
            output.Write(text[..plain]);
            output.Write([(byte)'\\', (escapes, text[plain]) switch
            {
                (Escapes.Stomp, (byte)'\r') => (byte)'r',
                (Escapes.Stomp, (byte)'\n') => (byte)'n',
                (Escapes.Stomp, (byte)':') => (byte)'c',
                var (_, other) => other,
            }]);
            text = text[(plain + 1)..];
        }

        output.Write(text);
    }
}
