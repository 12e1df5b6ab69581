using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>The datagrams for which the receive buffer of a socket had no room, by SO_MEMINFO (socket(7), linux/sock_diag.h). Safe to use from any thread.</summary>
internal sealed class KernelDrops(Socket socket)
{
    private const int SolSocket = 1;
    private const int MemoryInformation = 55; // SO_MEMINFO
    private const int Numbers = 9; // SK_MEMINFO_VARS
    private const int ReceiveQueue = 0; // SK_MEMINFO_RMEM_ALLOC
    private const int Drops = 8; // SK_MEMINFO_DROPS

    private readonly Lock _lock = new();
    private uint _counted;

    /// <summary>Counts those since the last call.</summary>
    public void Count(DatagramCounters counters)
    {
        lock (_lock)
        {
            if (Read(Drops) is { } drops && drops != _counted)
            {
                counters.AddDropped(DatagramDropReason.ReceiveBufferFull, unchecked(drops - _counted));
                _counted = drops;
            }
        }
    }

    /// <summary>The memory of what the kernel has queued; null where it does not tell.</summary>
    public uint? QueuedBytes => Read(ReceiveQueue);

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
