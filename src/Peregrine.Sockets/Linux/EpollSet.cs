using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// The descriptors that an event loop waits for, by epoll(7), edge-triggered: each is added once, and no call is spent on it again while it comes
/// and goes. One thread waits at a time; every other member is safe to call from any thread. It lives as long as the process, unless the start of
/// its loop fails.
/// </summary>
internal sealed unsafe partial class EpollSet
{
    public const uint Readable = 0x1; // EPOLLIN
    public const uint Urgent = 0x2; // EPOLLPRI
    public const uint Writable = 0x4; // EPOLLOUT
    public const uint Error = 0x8; // EPOLLERR
    public const uint HangUp = 0x10; // EPOLLHUP
    public const uint PeerClosed = 0x2000; // EPOLLRDHUP

    /// <summary>What <see cref="Wake"/> brings instead of what a descriptor was added with.</summary>
    public const long Woken = 0;

    private const uint OneShot = 1u << 30; // EPOLLONESHOT
    private const uint EdgeTriggered = 1u << 31; // EPOLLET
    private const int CloseOnExec = 0x80000; // EPOLL_CLOEXEC, EFD_CLOEXEC
    private const int NonBlocking = 0x800; // EFD_NONBLOCK
    private const int ControlAdd = 1; // EPOLL_CTL_ADD
    private const int ControlDelete = 2; // EPOLL_CTL_DEL
    private const int ControlModify = 3; // EPOLL_CTL_MOD

    // struct epoll_event is packed on x86 only (linux/eventpoll.h).
    private static readonly bool IsPacked = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86;
    private static readonly int EventSize = IsPacked ? 12 : 16;
    private static readonly int DataOffset = IsPacked ? 4 : 8;

    private readonly int _epoll;
    private readonly int _wake;
    private readonly int _mostEvents;
    private readonly byte* _events;

    /// <exception cref="SocketException">Descriptors are short.</exception>
    public EpollSet(int mostEvents)
    {
        _mostEvents = mostEvents;
        _epoll = Create(CloseOnExec);
        if (_epoll < 0)
        {
            throw new SocketException((int)Errno.ToSocketError(Marshal.GetLastSystemError()));
        }

        _wake = CreateEvent(0, CloseOnExec | NonBlocking);
        var error = _wake < 0 ? Errno.ToSocketError(Marshal.GetLastSystemError()) : Add(_wake, Readable, Woken);
        if (error != SocketError.Success)
        {
            SocketCalls.Close(_epoll);
            if (_wake >= 0)
            {
                SocketCalls.Close(_wake);
            }

            throw new SocketException((int)error);
        }

        _events = (byte*)NativeMemory.AllocZeroed((nuint)(mostEvents * EventSize));
    }

    /// <summary>Of a set that nobody waits on, and nobody will.</summary>
    public void Release()
    {
        SocketCalls.Close(_epoll);
        SocketCalls.Close(_wake);
        NativeMemory.Free(_events);
    }

    /// <summary>The descriptor must be open during the call. What holds by then is told, as if it had just begun.</summary>
    public SocketError Add(int descriptor, uint events, long data) => Control(ControlAdd, descriptor, events, data);

    /// <summary>As <see cref="Add"/>, for one that was added.</summary>
    public SocketError Modify(int descriptor, uint events, long data) => Control(ControlModify, descriptor, events, data);

    /// <summary>Before the close of a descriptor that is not the last of its socket: the close of the last one does it by itself (epoll(7), Q6).</summary>
    public void Remove(int descriptor) => Control(ControlDelete, descriptor, 0, 0);

    /// <summary>Another set, to be told once that it has events; then again after <see cref="ModifySet"/>.</summary>
    public SocketError AddSet(EpollSet set, long data) => Control(ControlAdd, set._epoll, Readable | OneShot, data);

    public SocketError ModifySet(EpollSet set, long data) => Control(ControlModify, set._epoll, Readable | OneShot, data);

    /// <summary>Waits, or only looks. Returns how many events there are, for <see cref="Get"/> until the next call.</summary>
    public int Wait(bool block)
    {
        // Fails only if a signal interrupts it: the arguments are good, and stay so.
        return Math.Max(0, EpollWait(_epoll, _events, _mostEvents, block ? -1 : 0));
    }

    public (uint Events, long Data) Get(int index)
    {
        var happened = _events + (index * EventSize);
        return (*(uint*)happened, *(long*)(happened + DataOffset));
    }

    /// <summary>Ends the wait, or the next one.</summary>
    public void Wake()
    {
        // The counter is never read: each write is an edge of its own (eventfd(2), eventfd_write), and 2^64 of them do not happen.
        long one = 1;
        _ = Write(_wake, &one, sizeof(long));
    }

    private SocketError Control(int operation, int descriptor, uint events, long data)
    {
        var registration = stackalloc byte[EventSize];
        *(uint*)registration = events | EdgeTriggered;
        *(long*)(registration + DataOffset) = data;
        return EpollControl(_epoll, operation, descriptor, registration) == 0
            ? SocketError.Success
            : Errno.ToSocketError(Marshal.GetLastSystemError());
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    private static partial int EpollControl(int epoll, int operation, int descriptor, byte* registration);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int EpollWait(int epoll, byte* events, int most, int timeout);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial int CreateEvent(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, void* bytes, nuint count);
}
