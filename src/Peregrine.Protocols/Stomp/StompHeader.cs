namespace Peregrine.Protocols;

/// <summary>A header of a frame. Neither side is trimmed: a space belongs to it.</summary>
/// <param name="Name">Case matters.</param>
/// <param name="Value">May be empty.</param>
public readonly record struct StompHeader(WireText Name, WireText Value);
