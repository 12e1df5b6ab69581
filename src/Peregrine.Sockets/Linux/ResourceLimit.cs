using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>getrlimit(2).</summary>
internal static partial class ResourceLimit
{
    private const int NumberOfFiles = 7; // RLIMIT_NOFILE of asm-generic/resource.h

    /// <summary>How many descriptors the process may have open, the soft limit; null if the system does not tell.</summary>
    public static ulong? Descriptors() => Get(NumberOfFiles, out var limit) == 0 ? limit.Current : null;

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int Get(int resource, out Limit limit);

    /// <summary>struct rlimit: two numbers of the machine's word.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public nuint Current;
        public nuint Most;
    }
}
