using System.Collections.Concurrent;
using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>Is told, once, that the peer of a socket has sent its FIN or a reset.</summary>
internal interface IPeerWatcher
{
    /// <summary>Called on the thread of the watch, which serves every connection: must not block.</summary>
    /// <param name="isError">The socket has an error that nobody has taken yet: a reset.</param>
    /// <param name="isHangUp">Nothing can be sent any more either: a reset, unless this side has sent its FIN, or the socket is no TCP socket.</param>
    void OnPeerGone(bool isError, bool isHangUp);
}

/// <summary>
/// Waits for the FINs and resets of sockets that nobody reads, by epoll(7) with EPOLLRDHUP: a receive would find unread bytes instead, and
/// the runtime's own event loops have no such wait. One thread for the process, from the first socket that is watched on.
/// </summary>
internal static unsafe partial class PeerWatch
{
    private const int CloseOnExec = 0x80000; // EPOLL_CLOEXEC
    private const int Add = 1; // EPOLL_CTL_ADD
    private const uint OneShot = 1u << 30; // EPOLLONESHOT
    private const uint PeerClosed = 0x2000; // EPOLLRDHUP
    private const uint Error = 0x8; // EPOLLERR
    private const uint HangUp = 0x10; // EPOLLHUP
    private const int EventsAtOnce = 64;

    private static readonly ConcurrentDictionary<long, IPeerWatcher> Watchers = new();
    private static readonly Lazy<int> Epoll = new(Start);
    private static long s_lastId;

    // struct epoll_event is packed on x86 only (linux/eventpoll.h).
    private static readonly bool IsPacked = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86;
    private static readonly int EventSize = IsPacked ? 12 : 16;
    private static readonly int DataOffset = IsPacked ? 4 : 8;

    /// <summary>Watches a socket until its peer is gone, or it is released: <see cref="Remove"/> must follow then.</summary>
    /// <returns>For <see cref="Remove"/>; zero if it cannot be watched, because it is released or descriptors are short.</returns>
    public static long TryAdd(Socket socket, IPeerWatcher watcher)
    {
        var id = Interlocked.Increment(ref s_lastId);
        var held = false;
        Watchers[id] = watcher;
        try
        {
            // Held, so that the number cannot become another socket's.
            socket.SafeHandle.DangerousAddRef(ref held);
            var registration = stackalloc byte[EventSize];
            *(uint*)registration = PeerClosed | OneShot;
            *(long*)(registration + DataOffset) = id;
            if (Control(Epoll.Value, Add, (int)socket.SafeHandle.DangerousGetHandle(), registration) == 0)
            {
                return id;
            }
        }
        catch (Exception exception) when (exception is ObjectDisposedException or Win32Exception)
        {
            // Not watched.
        }
        finally
        {
            if (held)
            {
                socket.SafeHandle.DangerousRelease();
            }
        }

        Remove(id);
        return 0;
    }

    /// <summary>The socket is released, which takes it out of the epoll set by itself.</summary>
    public static void Remove(long id) => Watchers.TryRemove(id, out _);

    private static int Start()
    {
        var epoll = Create(CloseOnExec);
        if (epoll < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        new Thread(() => Run(epoll)) { IsBackground = true, Name = "Peregrine peer watch" }.UnsafeStart();
        return epoll;
    }

    private static void Run(int epoll)
    {
        var events = stackalloc byte[EventsAtOnce * EventSize];
        while (true)
        {
            // Fails only if a signal interrupts it: the arguments are good, and stay so.
            var count = Wait(epoll, events, EventsAtOnce, timeout: -1);
            for (var i = 0; i < count; i++)
            {
                var happened = events + (i * EventSize);
                if (Watchers.TryRemove(*(long*)(happened + DataOffset), out var watcher))
                {
                    watcher.OnPeerGone((*(uint*)happened & Error) != 0, (*(uint*)happened & HangUp) != 0);
                }
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    private static partial int Control(int epoll, int operation, int descriptor, byte* registration);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int Wait(int epoll, byte* events, int most, int timeout);
}
