using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>What Redis says.</summary>
internal static class Errors
{
    private const int MostShown = 128;

    public static ReadOnlySpan<byte> Syntax => "ERR syntax error"u8;

    public static ReadOnlySpan<byte> NoInteger => "ERR value is not an integer or out of range"u8;

    public static ReadOnlySpan<byte> OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'."u8;

    public static ReadOnlySpan<byte> NameTooLong => "ERR the name of a channel or a pattern is too long"u8;

    public static string WrongCount(string command) => $"ERR wrong number of arguments for '{command}' command";

    public static string UnknownSubcommand(string command, ReadOnlySpan<byte> got) => $"ERR unknown subcommand '{Shown(got)}'. Try {command} HELP.";

    public static string InvalidExpire(string command) => $"ERR invalid expire time in '{command}' command";

    /// <summary>A little of what a client has sent, in one line.</summary>
    public static string Shown(ReadOnlySpan<byte> text) => text[..Math.Min(text.Length, MostShown)].ToText().ReplaceLineEndings(" ").Replace('\n', ' ').Replace('\r', ' ');

    /// <summary>A number that a command needs. False if it is none, which is answered.</summary>
    public static bool TryReadInteger(Session session, ReadOnlySpan<byte> text, out long value)
    {
        if (ByteStrings.TryParseInteger(text, out value))
        {
            return true;
        }

        session.Reply.WriteError(NoInteger);
        return false;
    }

    /// <summary>A lifetime in milliseconds. False if it is none, which is answered.</summary>
    public static bool TryReadLifetime(Session session, string command, ReadOnlySpan<byte> text, int unit, out long milliseconds)
    {
        if (!TryReadInteger(session, text, out milliseconds))
        {
            return false;
        }

        // So that it can be added to any time.
        if (milliseconds > long.MaxValue / 2 / unit || milliseconds < long.MinValue / 2 / unit)
        {
            session.Reply.WriteError(InvalidExpire(command));
            return false;
        }

        milliseconds *= unit;
        return true;
    }
}
