using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>Room for many datagrams, as recvmmsg(2) and sendmmsg(2) take it. Made once, so that a call costs no preparation.</summary>
internal sealed unsafe class DatagramVector : IDisposable
{
    private const int LevelUdp = 17;
    private const int Coalesced = 104;

    // cmsghdr: length, level, type; then the data, an int. CMSG_SPACE(sizeof(int)) of cmsg(3).
    private const int ControlHeaderSize = 16;
    private const int ControlSize = ControlHeaderSize + 8;

    private readonly int _size;
    private readonly bool _takesControl;
    private readonly Part* _parts;
    private readonly byte* _control;
    private readonly byte* _bytes;

    /// <param name="count">How many datagrams.</param>
    /// <param name="size">How many bytes each may have.</param>
    /// <param name="coalesced">Each may be several of one size, in one piece.</param>
    public DatagramVector(int count, int size, bool coalesced = false)
    {
        (Count, _size, _takesControl) = (count, size, coalesced);
        Headers = (Header*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Header));
        _parts = (Part*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Part));
        _control = (byte*)NativeMemory.AllocZeroed((nuint)count, ControlSize);
        _bytes = (byte*)NativeMemory.AllocZeroed((nuint)count, (nuint)size);
        for (var i = 0; i < count; i++)
        {
            _parts[i] = new Part { Bytes = _bytes + ((long)i * size), Length = (nuint)size };
            Headers[i] = new Header
            {
                // Connected sockets need no name.
                Name = null,
                NameLength = 0,
                Parts = _parts + i,
                PartCount = 1,
                Control = coalesced ? _control + (i * ControlSize) : null,
                Flags = 0,
                Length = 0,
            };
        }
    }

    public int Count { get; }

    public Header* Headers { get; }

    /// <summary>All the room of one.</summary>
    public Span<byte> this[int index] => new(_parts[index].Bytes, _size);

    /// <summary>What was received; beyond the room it is cut off.</summary>
    public ReadOnlySpan<byte> Received(int index) => new(_parts[index].Bytes, (int)Headers[index].Length);

    /// <summary>The size of the datagrams that were received in one piece there, of which only the last may be smaller: all of it, if it is one.</summary>
    public int SegmentSize(int index)
    {
        var control = (byte*)Headers[index].Control;
        var isCoalesced = Headers[index].ControlLength >= ControlHeaderSize + sizeof(int)
            && Unsafe.ReadUnaligned<int>(control + sizeof(nuint)) == LevelUdp && Unsafe.ReadUnaligned<int>(control + sizeof(nuint) + sizeof(int)) == Coalesced;
        return isCoalesced ? Unsafe.ReadUnaligned<int>(control + ControlHeaderSize) : (int)Headers[index].Length;
    }

    /// <summary>Before each receive: the kernel writes over it.</summary>
    public void Reset()
    {
        for (var i = 0; _takesControl && i < Count; i++)
        {
            Headers[i].ControlLength = ControlSize;
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(Headers);
        NativeMemory.Free(_parts);
        NativeMemory.Free(_control);
        NativeMemory.Free(_bytes);
    }

    // mmsghdr: a msghdr, whose size is a multiple of a pointer's, and the length.
    internal struct Header
    {
        public void* Name;
        public uint NameLength;
        public Part* Parts;
        public nuint PartCount;
        public void* Control;
        public nuint ControlLength;
        public nint Flags;
        public nuint Length;
    }

    // iovec.
    internal struct Part
    {
        public void* Bytes;
        public nuint Length;
    }
}
