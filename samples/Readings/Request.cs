namespace Readings;

/// <summary>What a client sends: what a sensor has measured, in hundredths of a degree, or a question for all that it has.</summary>
public readonly record struct Request(RequestKind Kind, ushort Sensor, int Hundredths = 0);

/// <summary>The first byte of a frame's body.</summary>
public enum RequestKind : byte
{
    Measured = 1,
    Ask = 2,
}
