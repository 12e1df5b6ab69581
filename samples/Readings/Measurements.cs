using System.Collections.Concurrent;

namespace Readings;

/// <summary>What all sensors have measured. There are no more of them than two bytes can tell apart. Safe from any thread.</summary>
public sealed class Measurements
{
    private readonly ConcurrentDictionary<ushort, Answer> _sensors = new();

    public void Add(ushort sensor, int hundredths) => _sensors.AddOrUpdate(
        sensor,
        static (sensor, value) => new Answer(sensor, 1, value, value),
        static (_, all, value) => all with { Count = all.Count + 1, Lowest = Math.Min(all.Lowest, value), Highest = Math.Max(all.Highest, value) },
        hundredths);

    public Answer Of(ushort sensor) => _sensors.GetValueOrDefault(sensor, new Answer(sensor));
}
