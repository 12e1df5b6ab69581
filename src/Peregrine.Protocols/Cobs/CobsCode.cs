namespace Peregrine.Protocols.Cobs;

/// <summary>A code is the length of a run with the code itself. Behind a run there is a zero, unless it is a full one, or the last.</summary>
internal static class CobsCode
{
    public const byte Delimiter = 0;

    public const byte FullRun = 0xFF;

    public const int LongestRun = FullRun - 1;
}
