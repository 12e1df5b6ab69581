namespace Peregrine.Protocols.Resp;

/// <summary>Where an argument is, counted from the beginning of its command.</summary>
internal readonly record struct RespRange(int Start, int Length);
