using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>Room for many datagrams, as recvmmsg(2) and sendmmsg(2) take it. Made once, so that a call costs no preparation.</summary>
internal sealed unsafe class DatagramVector : IDisposable
{
    private const int LevelIp = 0;
    private const int PacketInformation = 8;
    private const int LevelUdp = 17;
    private const int Segmented = 103;
    private const int Coalesced = 104;

    // cmsghdr: length, level, type; then the data, and what aligns the next one (cmsg(3)). An in_pktinfo: interface, address of this side, destination.
    private const int ControlHeaderSize = 16;
    private const int ControlAlignment = 8;
    private const int PacketInformationSize = 12;
    private const int SourceSpace = ControlHeaderSize + 16;

    // An address and a segment size: two bytes when it is told, four when it is asked for.
    private const int ControlSize = SourceSpace + ControlHeaderSize + ControlAlignment;

    private readonly int _size;
    private readonly Part* _parts;
    private readonly byte* _control;
    private readonly byte* _bytes;
    private readonly NativeSocket.Address* _server;

    /// <param name="count">How many datagrams.</param>
    /// <param name="size">How many bytes each may have.</param>
    public DatagramVector(int count, int size)
    {
        (Count, _size) = (count, size);
        Headers = (Header*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Header));
        _parts = (Part*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Part));
        _control = (byte*)NativeMemory.AllocZeroed((nuint)count, ControlSize);
        _bytes = (byte*)NativeMemory.AllocZeroed((nuint)count, (nuint)size);
        _server = (NativeSocket.Address*)NativeMemory.AllocZeroed((nuint)sizeof(NativeSocket.Address));
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
                Control = _control + (i * ControlSize),
                ControlLength = 0,
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
    public int SegmentSize(int index) =>
        Control(index, LevelUdp, Coalesced, sizeof(int)) is var data && data is not null ? Unsafe.ReadUnaligned<int>(data) : (int)Headers[index].Length;

    /// <summary>To which address of this side it was sent, in network order; 0 if that is not known.</summary>
    public uint Destination(int index) =>
        Control(index, LevelIp, PacketInformation, PacketInformationSize) is var data && data is not null ? Unsafe.ReadUnaligned<uint>(data + (2 * sizeof(uint))) : 0;

    /// <summary>Where all go from a socket that is not connected: a port of 127.0.0.1.</summary>
    public void SetServer(int port)
    {
        *_server = NativeSocket.Address.Of(SourceAddresses.Loopback, port);
        for (var i = 0; i < Count; i++)
        {
            Headers[i].Name = _server;
            Headers[i].NameLength = (uint)sizeof(NativeSocket.Address);
        }
    }

    /// <summary>From which address of this side it is to be sent, in network order.</summary>
    public void SetSource(int index, uint address)
    {
        var data = WriteControl((byte*)Headers[index].Control, LevelIp, PacketInformation, PacketInformationSize);
        Unsafe.WriteUnaligned(data, 0);
        Unsafe.WriteUnaligned(data + sizeof(uint), address);
        Headers[index].ControlLength = SourceSpace;
    }

    /// <summary>How many datagrams of one size it is, which lie behind each other: the kernel cuts it (UDP_SEGMENT, udp(7)). Its source is set before.</summary>
    public void SetTrain(int index, int datagrams, int size)
    {
        _parts[index].Length = (nuint)(datagrams * size);
        if (datagrams > 1)
        {
            var data = WriteControl((byte*)Headers[index].Control + SourceSpace, LevelUdp, Segmented, sizeof(ushort));
            Unsafe.WriteUnaligned(data, (ushort)size);
            Headers[index].ControlLength = ControlSize;
        }
    }

    /// <summary>Before each receive: the kernel writes over it.</summary>
    public void Reset()
    {
        for (var i = 0; i < Count; i++)
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
        NativeMemory.Free(_server);
    }

    // The data of the first control message of a kind; null if there is none.
    private byte* Control(int index, int level, int type, int size)
    {
        var next = (byte*)Headers[index].Control;
        var left = (int)Headers[index].ControlLength;
        while (left >= ControlHeaderSize + size)
        {
            if (Unsafe.ReadUnaligned<int>(next + sizeof(nuint)) == level && Unsafe.ReadUnaligned<int>(next + sizeof(nuint) + sizeof(int)) == type)
            {
                return next + ControlHeaderSize;
            }

            var length = ((int)Unsafe.ReadUnaligned<nuint>(next) + ControlAlignment - 1) & -ControlAlignment;
            next += length;
            left -= length;
        }

        return null;
    }

    private static byte* WriteControl(byte* control, int level, int type, int size)
    {
        Unsafe.WriteUnaligned(control, (nuint)(ControlHeaderSize + size));
        Unsafe.WriteUnaligned(control + sizeof(nuint), level);
        Unsafe.WriteUnaligned(control + sizeof(nuint) + sizeof(int), type);
        return control + ControlHeaderSize;
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
