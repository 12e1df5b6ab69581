namespace Peregrine.Protocols;

/// <summary>What became of a broadcast. Receivers that had ended, or ended meanwhile, are not counted.</summary>
/// <param name="Posted">How many receivers have the message among what is sent to them. It can be lost still, with the connection.</param>
/// <param name="Skipped">How many receivers did not get it because they were slow.</param>
/// <param name="Dropped">How many older messages, of all receivers together, were dropped for it.</param>
/// <param name="Disconnected">How many receivers were slow, and aborted.</param>
public readonly record struct BroadcastResult(int Posted, int Skipped, int Dropped, int Disconnected);
