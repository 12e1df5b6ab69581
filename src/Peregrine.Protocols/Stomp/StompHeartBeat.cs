namespace Peregrine.Protocols;

/// <summary>
/// The end of a line between two frames, which says that this side is alive: <c>await writer.WriteAsync(default(StompHeartBeat), stomp)</c>. When one is due is agreed on in the
/// <c>heart-beat</c> headers of CONNECT and CONNECTED.
/// </summary>
public readonly struct StompHeartBeat;
