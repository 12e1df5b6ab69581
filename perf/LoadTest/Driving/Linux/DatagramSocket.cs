using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>
/// A UDP client socket. udp(7), recvmmsg(2), sendmmsg(2): many datagrams with each call, so that the client spends less on one than the fastest server. Not safe for
/// several threads.
/// </summary>
internal readonly unsafe struct DatagramSocket
{
    private const int Interrupted = 4;
    private const int WouldBlock = 11;
    private const int ConnectionRefused = 111;
    private const int DontWait = 0x40;
    private const int WaitForOne = 0x10000;
    private const int LevelSocket = 1;
    private const int ReceiveBuffer = 8;
    private const int ReceiveTimeout = 20;
    private const int LevelUdp = 17;
    private const int SendSegmented = 103;
    private const int ReceiveCoalesced = 104;

    private DatagramSocket(NativeSocket descriptor) => Descriptor = descriptor;

    public NativeSocket Descriptor { get; }

    /// <summary>Sends to a server of 127.0.0.1, and receives from nobody else.</summary>
    public static DatagramSocket Connect(int port)
    {
        var socket = Open();
        var address = NativeSocket.Address.Of(SourceAddresses.Loopback, port);
        socket.CheckedOrClosed(Libc.Connect(socket.Descriptor.Number, &address, sizeof(NativeSocket.Address)), "connect");
        return socket;
    }

    /// <summary>
    /// Sends from any address of 127.0.0.0/8 and receives at each of them, on one port: many clients in one, whose datagrams still go with one call. Each datagram tells or
    /// is told the address (IP_PKTINFO, ip(7)).
    /// </summary>
    public static DatagramSocket OfManyAddresses()
    {
        const int LevelIp = 0;
        const int PacketInformation = 8;
        var socket = Open();
        var (address, on) = (NativeSocket.Address.Of(0, 0), 1);
        socket.CheckedOrClosed(Libc.Bind(socket.Descriptor.Number, &address, sizeof(NativeSocket.Address)), "bind");
        socket.CheckedOrClosed(Libc.SetSocketOption(socket.Descriptor.Number, LevelIp, PacketInformation, &on, sizeof(int)), "setsockopt");
        return socket;
    }

    /// <summary>Asks for a receive buffer; returns what was granted, by the kernel's own count, which is twice what can be asked for.</summary>
    public int AskForReceiveBuffer(int sizeInBytes)
    {
        Set(LevelSocket, ReceiveBuffer, sizeInBytes);
        int granted, length = sizeof(int);
        NativeSocket.Checked(Libc.GetSocketOption(Descriptor.Number, LevelSocket, ReceiveBuffer, &granted, &length), "getsockopt");
        return granted;
    }

    /// <summary>What was sent as segments is received in one piece (UDP_GRO, udp(7)), as a network card's driver does it.</summary>
    public DatagramSocket WithCoalescing()
    {
        Set(LevelUdp, ReceiveCoalesced, 1);
        return this;
    }

    /// <summary>Makes sure that the kernel cuts what is sent in one piece (UDP_SEGMENT, udp(7)): one that does not know it would send the piece. Nothing is cut that does not ask for it.</summary>
    /// <exception cref="IOException">It does not.</exception>
    public DatagramSocket WithSegmentation()
    {
        var none = 0;
        return Libc.SetSocketOption(Descriptor.Number, LevelUdp, SendSegmented, &none, sizeof(int)) == 0
            ? this
            : throw new IOException($"The kernel refuses UDP_SEGMENT ({Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}): this client needs Linux 4.18 or later.");
    }

    /// <summary>A receive that waits ends after this time.</summary>
    public DatagramSocket WithReceiveTimeout(TimeSpan timeout)
    {
        var limit = stackalloc nint[] { timeout.Seconds, (timeout.Milliseconds * 1_000) + timeout.Microseconds };
        NativeSocket.Checked(Libc.SetSocketOption(Descriptor.Number, LevelSocket, ReceiveTimeout, limit, 2 * sizeof(nint)), "setsockopt");
        return this;
    }

    /// <summary>Receives what there is; 0 if there is nothing.</summary>
    public int TryReceive(DatagramVector into) => Receive(into, DontWait);

    /// <summary>Waits for a first datagram, and receives what there is; 0 after the timeout, and sometimes before.</summary>
    public int Receive(DatagramVector into) => Receive(into, WaitForOne);

    /// <summary>Sends the first so many.</summary>
    /// <param name="call">What an error is told of.</param>
    public void Send(DatagramVector datagrams, int count, string call = "sendmmsg")
    {
        for (var sent = 0; sent < count;)
        {
            var result = Libc.SendMany(Descriptor.Number, datagrams.Headers + sent, (uint)(count - sent), 0);
            if (result >= 0 || Marshal.GetLastPInvokeError() != Interrupted)
            {
                sent += Checked(result, call);
            }
        }
    }

    public void Close() => Descriptor.Close();

    private static DatagramSocket Open()
    {
        const int Datagram = 2;
        const int CloseOnExec = 0x80000;
        return new DatagramSocket(new NativeSocket(NativeSocket.Checked(Libc.Socket(NativeSocket.Internet, Datagram | CloseOnExec, 0), "socket")));
    }

    private void CheckedOrClosed(int result, string call)
    {
        try
        {
            NativeSocket.Checked(result, call);
        }
        catch
        {
            Close();
            throw;
        }
    }

    private int Receive(DatagramVector into, int flags)
    {
        into.Reset();
        var count = Libc.ReceiveMany(Descriptor.Number, into.Headers, (uint)into.Count, flags, null);
        return count < 0 && Marshal.GetLastPInvokeError() is WouldBlock or Interrupted ? 0 : Checked(count, "recvmmsg");
    }

    private void Set(int level, int name, int value) =>
        NativeSocket.Checked(Libc.SetSocketOption(Descriptor.Number, level, name, &value, sizeof(int)), "setsockopt");

    private static int Checked(int result, string call) => result < 0 && Marshal.GetLastPInvokeError() == ConnectionRefused
        ? throw new IOException("The server has closed its socket.")
        : NativeSocket.Checked(result, call);
}
