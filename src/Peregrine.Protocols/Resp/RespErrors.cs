namespace Peregrine.Protocols.Resp;

/// <summary>
/// What is wrong, in the words of Redis where it has some (networking.c): a server answers <c>-ERR</c> and the message, and closes.
/// </summary>
internal static class RespErrors
{
    public static MessageFormatException InvalidCount() => new("Protocol error: invalid multibulk length");

    public static MessageFormatException InvalidBulkLength() => new("Protocol error: invalid bulk length");

    public static MessageFormatException UnbalancedQuotes() => new("Protocol error: unbalanced quotes in request");

    public static MessageFormatException NoLineEnd() => new("Protocol error: expected CR and LF");

    public static MessageFormatException NoBulk(byte got) => new($"Protocol error: expected '$', got {Shown(got)}");

    public static MessageFormatException NoType(byte got) => new($"Protocol error: {Shown(got)} begins no value");

    public static MessageFormatException InvalidScalar(RespType type) => new($"Protocol error: invalid content of a value of type {type}");

    public static MessageFormatException Streamed() => new("Protocol error: strings and aggregates without a length are not supported");

    public static MessageFormatException TooDeep(int most) => new($"Protocol error: nested deeper than MaxDepth ({most})");

    public static MessageTooLargeException TooManyArguments(int most) => new($"Protocol error: invalid multibulk length, above MaxArguments ({most})");

    public static MessageTooLargeException BulkTooLarge(int most) => new($"Protocol error: invalid bulk length, above MaxBulkLengthInBytes ({most})");

    public static MessageTooLargeException InlineTooLarge(int most) => new($"Protocol error: too big inline request, above MaxLineLengthInBytes ({most})");

    public static MessageTooLargeException LineTooLarge(int most) => new($"Protocol error: a line of more bytes than MaxLineLengthInBytes ({most})");

    public static MessageTooLargeException MessageTooLarge(int most) => new($"Protocol error: too big request, above MaxMessageSizeInBytes ({most})");

    /// <summary>One byte of the peer's, so that it harms no terminal.</summary>
    private static string Shown(byte got) => got is > 0x20 and < 0x7F ? $"'{(char)got}'" : $"0x{got:X2}";
}
