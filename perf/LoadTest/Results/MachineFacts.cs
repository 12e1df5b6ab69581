using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Results;

/// <summary>What the numbers depend on. Nothing that identifies the machine or its user.</summary>
internal static class MachineFacts
{
    public static string Describe()
    {
        var processor = File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim();
        var kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return $"{Environment.ProcessorCount} cores ({processor ?? RuntimeInformation.ProcessArchitecture.ToString()}), "
            + $"Linux {kernel}, {RuntimeInformation.FrameworkDescription}";
    }
}
