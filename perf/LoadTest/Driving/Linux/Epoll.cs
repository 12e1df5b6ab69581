using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>Level-triggered epoll(7) for one thread. Each socket is known by a number that the caller chose.</summary>
internal sealed unsafe class Epoll : IDisposable
{
    private const int MostEvents = 512;
    private const int AddOperation = 1;
    private const int ModifyOperation = 3;
    private const uint Readable = 1;
    private const uint Writable = 4;

    // epoll_event is packed on x86-64, and on no other architecture.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int EventSize = DataOffset + sizeof(ulong);

    private readonly int _descriptor = NativeSocket.Checked(Libc.EpollCreate(0), "epoll_create1");
    private readonly byte[] _events = GC.AllocateArray<byte>(MostEvents * EventSize, pinned: true);

    public void Add(NativeSocket socket, int number) => Control(AddOperation, socket, number, Readable);

    public void Watch(NativeSocket socket, int number, bool writable) =>
        Control(ModifyOperation, socket, number, writable ? Readable | Writable : Readable);

    /// <summary>How many sockets have something to do. 0 after the time, and sometimes before.</summary>
    public int Wait(TimeSpan timeout)
    {
        fixed (byte* events = _events)
        {
            const int Interrupted = 4;
            var count = Libc.EpollWait(_descriptor, events, MostEvents, (int)timeout.TotalMilliseconds);
            return count < 0 && Marshal.GetLastPInvokeError() == Interrupted ? 0 : NativeSocket.Checked(count, "epoll_wait");
        }
    }

    /// <summary>The number of a socket that <see cref="Wait"/> found.</summary>
    public int this[int index] => Unsafe.ReadUnaligned<int>(ref _events[(index * EventSize) + DataOffset]);

    public void Dispose() => _ = Libc.Close(_descriptor);

    private void Control(int operation, NativeSocket socket, int number, uint events)
    {
        var @event = stackalloc byte[16];
        Unsafe.WriteUnaligned(@event, events);
        Unsafe.WriteUnaligned(@event + DataOffset, (ulong)number);
        NativeSocket.Checked(Libc.EpollControl(_descriptor, operation, socket.Number, @event), "epoll_ctl");
    }
}
