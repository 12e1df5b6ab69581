namespace Peregrine.Protocols;

/// <summary>The version of RESP that a connection speaks. Every one begins with the second; a client asks for the third with <c>HELLO 3</c>.</summary>
public enum RespVersion : byte
{
    /// <summary>Strings, errors, integers, bulk strings and arrays.</summary>
    Resp2 = 2,

    /// <summary>More types, and pushes: messages of the server's that answer no command.</summary>
    Resp3 = 3,
}
