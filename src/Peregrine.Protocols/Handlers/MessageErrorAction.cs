namespace Peregrine.Protocols;

/// <summary>What becomes of a connection after an error with a message. An answer is written before, with <see cref="MessageContext{TOut}.WriteAsync"/>.</summary>
public enum MessageErrorAction
{
    /// <summary>Nothing more is read, what was written goes out, and the connection is closed gracefully.</summary>
    Close,

    /// <summary>The connection goes on with the next message.</summary>
    Skip,

    /// <summary>As <see cref="Close"/>, and the exception goes to the server, which logs it as a failure of the handler.</summary>
    Throw,
}
