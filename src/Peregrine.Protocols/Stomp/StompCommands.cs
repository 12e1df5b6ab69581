using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols.Stomp;

/// <summary>What the specification says of commands.</summary>
internal static class StompCommands
{
    public static StompCommand Of(ReadOnlySpan<byte> text) => text switch
    {
        _ when text.SequenceEqual("SEND"u8) => StompCommand.Send,
        _ when text.SequenceEqual("MESSAGE"u8) => StompCommand.Message,
        _ when text.SequenceEqual("ACK"u8) => StompCommand.Ack,
        _ when text.SequenceEqual("NACK"u8) => StompCommand.Nack,
        _ when text.SequenceEqual("RECEIPT"u8) => StompCommand.Receipt,
        _ when text.SequenceEqual("SUBSCRIBE"u8) => StompCommand.Subscribe,
        _ when text.SequenceEqual("UNSUBSCRIBE"u8) => StompCommand.Unsubscribe,
        _ when text.SequenceEqual("BEGIN"u8) => StompCommand.Begin,
        _ when text.SequenceEqual("COMMIT"u8) => StompCommand.Commit,
        _ when text.SequenceEqual("ABORT"u8) => StompCommand.Abort,
        _ when text.SequenceEqual("CONNECT"u8) => StompCommand.Connect,
        _ when text.SequenceEqual("STOMP"u8) => StompCommand.Stomp,
        _ when text.SequenceEqual("CONNECTED"u8) => StompCommand.Connected,
        _ when text.SequenceEqual("DISCONNECT"u8) => StompCommand.Disconnect,
        _ when text.SequenceEqual("ERROR"u8) => StompCommand.Error,
        _ => StompCommand.Other,
    };

    public static ReadOnlySpan<byte> LineOf(StompCommand command) => command switch
    {
        StompCommand.Connect => "CONNECT\n"u8,
        StompCommand.Stomp => "STOMP\n"u8,
        StompCommand.Connected => "CONNECTED\n"u8,
        StompCommand.Send => "SEND\n"u8,
        StompCommand.Subscribe => "SUBSCRIBE\n"u8,
        StompCommand.Unsubscribe => "UNSUBSCRIBE\n"u8,
        StompCommand.Ack => "ACK\n"u8,
        StompCommand.Nack => "NACK\n"u8,
        StompCommand.Begin => "BEGIN\n"u8,
        StompCommand.Commit => "COMMIT\n"u8,
        StompCommand.Abort => "ABORT\n"u8,
        StompCommand.Disconnect => "DISCONNECT\n"u8,
        StompCommand.Message => "MESSAGE\n"u8,
        StompCommand.Receipt => "RECEIPT\n"u8,
        StompCommand.Error => "ERROR\n"u8,
        _ => [],
    };

    public static bool MayHaveBody(StompCommand command) => command is StompCommand.Send or StompCommand.Message or StompCommand.Error;

    /// <summary>STOMP 1.0 knew none, and these two are spoken before the version is known.</summary>
    public static Escapes EscapesOf(StompCommand command) => command is StompCommand.Connect or StompCommand.Connected ? Escapes.None : Escapes.Stomp;
}
