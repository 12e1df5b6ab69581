using System.Globalization;

namespace Peregrine.LoadTest.Processes;

internal static class ProcessMemory
{
    /// <summary>
    /// The resident memory of a process, in KiB. proc_pid_smaps(5): smaps_rollup walks the pages; the VmRSS of status may lag behind by 64 pages
    /// for each thread.
    /// </summary>
    public static long ResidentInKiB(int process)
    {
        var line = File.ReadLines($"/proc/{process}/smaps_rollup").First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
