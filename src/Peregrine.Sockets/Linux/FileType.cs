using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>What kind of file a path names, by statx(2), whose structure is the same on every architecture.</summary>
internal static unsafe partial class FileType
{
    private const int AtFdCwd = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxType = 0x1;
    private const int StructSize = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xF000;
    private const int TypeSocket = 0xC000;

    /// <summary>True if the path names a socket; false if it names another file, or nothing, or cannot be looked at.</summary>
    public static bool IsSocket(string path)
    {
        var statx = stackalloc byte[StructSize];
        return Statx(AtFdCwd, path, AtSymlinkNoFollow, StatxType, statx) == 0
            && (*(ushort*)(statx + ModeOffset) & TypeMask) == TypeSocket;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* result);
}
