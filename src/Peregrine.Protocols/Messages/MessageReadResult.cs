namespace Peregrine.Protocols;

/// <summary>What a read of one message has brought.</summary>
/// <param name="IsCompleted">The input has ended; there is no message.</param>
/// <param name="Message">The message.</param>
public readonly record struct MessageReadResult<TMessage>(bool IsCompleted, TMessage? Message);
