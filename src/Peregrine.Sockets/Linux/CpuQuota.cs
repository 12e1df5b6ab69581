using System.Globalization;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// Whether the process has a quota of CPU time (cgroups(7)), as a container with a limit has: time that it spends looking for work is missing to work.
/// </summary>
internal static class CpuQuota
{
    private const string UnifiedHierarchy = "0::/";

    /// <summary>True if a control group that it is in has one. False also where that cannot be told.</summary>
    public static bool IsSet { get; } = OperatingSystem.IsLinux() && IsSetAt("/sys/fs/cgroup", "/proc/self/cgroup");

    /// <param name="root">Where the control groups are mounted. In a container, that is its own group.</param>
    /// <param name="membership">The file that names the process's group.</param>
    internal static bool IsSetAt(string root, string membership)
    {
        try
        {
            // Of version 1, only the group that is mounted is looked at: a container's.
            if (File.Exists(Path.Combine(root, "cpu", "cpu.cfs_quota_us")))
            {
                return long.Parse(File.ReadAllText(Path.Combine(root, "cpu", "cpu.cfs_quota_us")), CultureInfo.InvariantCulture) > 0;
            }

            // Of version 2, a group's quota holds for all that are in it.
            var group = File.ReadLines(membership).FirstOrDefault(line => line.StartsWith(UnifiedHierarchy, StringComparison.Ordinal))?[UnifiedHierarchy.Length..];
            for (; group is not null; group = group.Length == 0 ? null : Path.GetDirectoryName(group) ?? "")
            {
                var limit = Path.Combine(root, group, "cpu.max");
                if (File.Exists(limit) && !File.ReadAllText(limit).StartsWith("max", StringComparison.Ordinal))
                {
                    return true;
                }
            }

            return false;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return false;
        }
    }
}
