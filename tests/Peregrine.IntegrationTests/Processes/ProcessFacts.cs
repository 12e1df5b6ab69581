using System.Globalization;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>What Linux tells of a process (proc(5)).</summary>
internal static class ProcessFacts
{
    // sysconf(_SC_CLK_TCK), the same on every machine that there is.
    private const double TicksPerSecond = 100;

    public static int Descriptors(int id) => Directory.GetFileSystemEntries($"/proc/{id}/fd").Length;

    public static long ResidentBytes(int id) => 1024 * long.Parse(
        File.ReadLines($"/proc/{id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    public static TimeSpan CpuTime(int id)
    {
        // Behind the name, which may have spaces: fields 14 and 15 are utime and stime.
        var text = File.ReadAllText($"/proc/{id}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromSeconds((long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond);
    }

    /// <summary>How busy it keeps a core, in percent.</summary>
    public static async Task<double> CpuPercentAsync(int id, TimeSpan during)
    {
        var before = CpuTime(id);
        await Task.Delay(during, TimeProvider.System);
        return 100 * (CpuTime(id) - before) / during;
    }
}
