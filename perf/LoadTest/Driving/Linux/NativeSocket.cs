using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>
/// A TCP client socket without <see cref="System.Net.Sockets.Socket"/>: what the client spends on a message must be less than what the fastest
/// server spends, or the client is what is measured. socket(2), tcp(7), ip(7). Not safe for several threads.
/// </summary>
internal readonly unsafe struct NativeSocket(int descriptor) : IClientSocket
{
    /// <summary>AF_INET.</summary>
    public const int Internet = 2;


    private const int WouldBlock = 11;
    private const int Interrupted = 4;
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int EndOfSending = 1;
    private const int LevelSocket = 1;
    private const int ReceiveTimeout = 20;
    private const int SendTimeout = 21;
    private const int LevelTcp = 6;
    private const int NoDelay = 1;
    private const int BindAddressNoPort = 24;
    private const int LimitInSeconds = 15;

    /// <summary>The file descriptor.</summary>
    public int Number => descriptor;

    public NativeSocket Descriptor => this;

    public bool HasReceived => false;

    /// <summary>
    /// Connects to 127.0.0.1. The port of the source is chosen with the destination known (IP_BIND_ADDRESS_NO_PORT), so each source address has all
    /// ephemeral ports for each server.
    /// </summary>
    /// <param name="source">An address of 127.0.0.0/8, in host order.</param>
    public static NativeSocket Connect(uint source, int port)
    {
        const int Stream = 1;
        const int CloseOnExec = 0x80000;
        var socket = new NativeSocket(Checked(Libc.Socket(Internet, Stream | CloseOnExec, 0), "socket"));
        try
        {
            socket.Set(0, BindAddressNoPort, 1);
            var address = Address.Of(source, 0);
            Checked(Libc.Bind(socket.Number, &address, sizeof(Address)), "bind");
            address = Address.Of(SourceAddresses.Loopback, port);
            Checked(Libc.Connect(socket.Number, &address, sizeof(Address)), "connect");
            return socket;
        }
        catch
        {
            socket.Close();
            throw;
        }
    }

    /// <summary>Small messages go at once, and an operation that waits fails after 15 seconds.</summary>
    public NativeSocket WithOptions()
    {
        Set(LevelTcp, NoDelay, 1);
        var limit = stackalloc nint[] { LimitInSeconds, 0 };
        Checked(Libc.SetSocketOption(descriptor, LevelSocket, ReceiveTimeout, limit, 2 * sizeof(nint)), "setsockopt");
        Checked(Libc.SetSocketOption(descriptor, LevelSocket, SendTimeout, limit, 2 * sizeof(nint)), "setsockopt");
        return this;
    }

    /// <summary>Operations without a flag of their own do not wait either.</summary>
    public NativeSocket WithoutWaiting()
    {
        const int SetFlags = 4;
        const int NonBlocking = 0x800;
        Checked(Libc.ControlFile(descriptor, SetFlags, NonBlocking), "fcntl");
        return this;
    }

    public bool TryHandshake() => true;

    public int TryReceive(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            var count = Libc.Receive(descriptor, bytes, buffer.Length, DontWait);
            return count < 0 && Marshal.GetLastPInvokeError() == WouldBlock ? -1 : (int)Checked(count, "recv");
        }
    }

    public int TrySend(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            var count = Libc.Send(descriptor, first, bytes.Length, DontWait | NoSignal);
            return count < 0 && Marshal.GetLastPInvokeError() == WouldBlock ? 0 : (int)Checked(count, "send");
        }
    }

    /// <summary>Waits until the buffer is full, or the peer's FIN.</summary>
    public int Receive(Span<byte> buffer)
    {
        var received = 0;
        while (received < buffer.Length)
        {
            fixed (byte* bytes = buffer)
            {
                var count = Waited(Libc.Receive(descriptor, bytes + received, buffer.Length - received, 0), "recv");
                if (count == 0)
                {
                    break;
                }

                received += Math.Max(count, 0);
            }
        }

        return received;
    }

    /// <summary>Sends a file's first bytes, and waits while the kernel takes none. sendfile(2): no copy on this side. Returns what it took.</summary>
    public int SendFile(int file, int length)
    {
        long offset = 0;
        return Math.Max(Waited(Libc.SendFile(descriptor, file, &offset, length), "sendfile"), 0);
    }

    /// <summary>Waits until there is something to receive, or the peer's FIN.</summary>
    public void WaitUntilReadable()
    {
        const short Readable = 1;
        var watched = new Libc.Polled { Descriptor = descriptor, Events = Readable };
        if (Waited(Libc.Poll(&watched, 1, LimitInSeconds * 1_000), "poll") == 0)
        {
            throw new IOException($"poll: nothing came for {LimitInSeconds} s.");
        }
    }

    public bool ReceiveMore() => Receive(stackalloc byte[1]) > 0;

    public void ShutdownSend() => Checked(Libc.Shutdown(descriptor, EndOfSending), "shutdown");

    public void Close() => _ = Libc.Close(descriptor);

    public static nint Checked(nint result, string call) => result >= 0
        ? result
        : throw new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");

    public static int Checked(int result, string call) => (int)Checked((nint)result, call);

    private void Set(int level, int name, int value) =>
        Checked(Libc.SetSocketOption(descriptor, level, name, &value, sizeof(int)), "setsockopt");

    // -1 if a signal interrupted it: the runtime sends them to stop threads for a collection.
    private static int Waited(nint result, string call)
    {
        var error = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        return error switch
        {
            Interrupted => -1,
            WouldBlock => throw new IOException($"{call}: no progress for {LimitInSeconds} s."),
            _ => (int)Checked(result, call),
        };
    }

    // sockaddr_in.
    internal struct Address
    {
        public ushort Family;
        public ushort Port;
        public uint InternetAddress;
        public ulong Zero;

        /// <param name="address">In host order.</param>
        /// <param name="port">0 for any.</param>
        public static Address Of(uint address, int port) => new()
        {
            Family = Internet,
            InternetAddress = BinaryPrimitives.ReverseEndianness(address),
            Port = BinaryPrimitives.ReverseEndianness((ushort)port),
        };
    }
}
