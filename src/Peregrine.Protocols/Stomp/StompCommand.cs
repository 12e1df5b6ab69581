namespace Peregrine.Protocols;

/// <summary>The commands of STOMP 1.2.</summary>
public enum StompCommand
{
    /// <summary>Another one, which a server may answer with an ERROR: <see cref="StompFrame.CommandText"/>.</summary>
    Other,

    /// <summary>CONNECT, of a client. Its headers have no escapes.</summary>
    Connect,

    /// <summary>STOMP, of a client: the same as CONNECT, but with escapes.</summary>
    Stomp,

    /// <summary>CONNECTED, of a server. Its headers have no escapes.</summary>
    Connected,

    /// <summary>SEND, of a client. It may have a body.</summary>
    Send,

    /// <summary>SUBSCRIBE, of a client.</summary>
    Subscribe,

    /// <summary>UNSUBSCRIBE, of a client.</summary>
    Unsubscribe,

    /// <summary>ACK, of a client.</summary>
    Ack,

    /// <summary>NACK, of a client.</summary>
    Nack,

    /// <summary>BEGIN, of a client.</summary>
    Begin,

    /// <summary>COMMIT, of a client.</summary>
    Commit,

    /// <summary>ABORT, of a client.</summary>
    Abort,

    /// <summary>DISCONNECT, of a client.</summary>
    Disconnect,

    /// <summary>MESSAGE, of a server. It may have a body.</summary>
    Message,

    /// <summary>RECEIPT, of a server.</summary>
    Receipt,

    /// <summary>ERROR, of a server, which closes then. It may have a body.</summary>
    Error,
}
