namespace Readings;

/// <summary>All that a sensor has measured, or why there is nothing.</summary>
/// <param name="Sensor">The sensor; 0 where the question was not understood.</param>
/// <param name="Count">How often it has measured. With none, the rest is 0.</param>
/// <param name="Lowest">In hundredths of a degree.</param>
/// <param name="Highest">In hundredths of a degree.</param>
public readonly record struct Answer(ushort Sensor, uint Count = 0, int Lowest = 0, int Highest = 0);
