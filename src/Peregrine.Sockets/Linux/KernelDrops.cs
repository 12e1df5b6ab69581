using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>What only the kernel knows of a receive buffer: the datagrams for which it had no room, and what is queued, by SO_MEMINFO (socket(7), linux/sock_diag.h). Safe to use from any thread.</summary>
internal sealed class KernelDrops(Socket socket)
{
    private const int SolSocket = 1;
    private const int MemoryInformation = 55; // SO_MEMINFO
    private const int Numbers = 9; // SK_MEMINFO_VARS
    private const int ReceiveQueue = 0; // SK_MEMINFO_RMEM_ALLOC
    private const int Drops = 8; // SK_MEMINFO_DROPS

    // The kernel's structures of a message, which is one datagram or several that came as one, are larger (socket(7)): so many are not queued.
    private const int LeastBytesOfAMessage = 256;

    private readonly Lock _lock = new();
    private uint _counted;
    private bool _isOver;

    /// <summary>Counts those since the last call.</summary>
    public void Count(DatagramCounters counters, bool isLast = false)
    {
        lock (_lock)
        {
            if (!_isOver && Read(Drops) is { } drops && drops != _counted)
            {
                counters.AddDropped(DatagramDropReason.ReceiveBufferFull, unchecked(drops - _counted));
                _counted = drops;
            }

            _isOver |= isLast;
        }
    }

    /// <summary>More messages than the kernel has queued; where it does not tell, as many as its buffer has bytes.</summary>
    public long MostQueued
    {
        get
        {
            try
            {
                return Read(ReceiveQueue) is { } bytes ? bytes / LeastBytesOfAMessage : socket.ReceiveBufferSize;
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return 0; // Closed: nothing is received from it.
            }
        }
    }

    private uint? Read(int number)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        Span<byte> numbers = stackalloc byte[Numbers * sizeof(uint)];
        try
        {
            var length = socket.GetRawSocketOption(SolSocket, MemoryInformation, numbers);
            return length >= (number + 1) * sizeof(uint) ? BitConverter.ToUInt32(numbers[(number * sizeof(uint))..]) : null;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null; // A kernel without it (gVisor), or closed.
        }
    }
}
