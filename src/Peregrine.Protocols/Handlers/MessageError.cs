namespace Peregrine.Protocols;

/// <summary>Something went wrong with a message, in reading or in handling it.</summary>
/// <param name="Exception">What.</param>
/// <param name="IsPeers">The peer's bytes are no message, one that is too large, or half of one. Otherwise it is the handler that has failed.</param>
/// <param name="CanSkip">The next message can be read. Without it, <see cref="MessageErrorAction.Skip"/> is <see cref="MessageErrorAction.Close"/>.</param>
public readonly record struct MessageError(Exception Exception, bool IsPeers, bool CanSkip);
