using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>Gives memory back to the kernel that stays mapped, by madvise(2).</summary>
internal static unsafe partial class PageRelease
{
    private const int DontNeed = 4; // MADV_DONTNEED

    /// <summary>
    /// The pages lose their content and cost nothing until they are next touched, which reads as zeros. Where the kernel refuses (locked or
    /// huge pages), nothing happens.
    /// </summary>
    /// <param name="pages">Whole pages of a pinned array: <see cref="Environment.SystemPageSize"/>.</param>
    public static void Release(Span<byte> pages)
    {
        fixed (byte* start = pages)
        {
            _ = Madvise(start, (nuint)pages.Length, DontNeed);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(byte* address, nuint length, int advice);
}
