using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>Addresses inside of arrays that were allocated as pinned, valid as long as these are referenced.</summary>
internal static unsafe class Pinned
{
    public static T* Address<T>(T[] array, int index)
        where T : unmanaged
        => (T*)Unsafe.AsPointer(ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(array), index));
}
