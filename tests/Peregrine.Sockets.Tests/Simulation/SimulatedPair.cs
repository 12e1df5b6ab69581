using System.Buffers;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Tests.Simulation;

/// <summary>Two connections of the real transport, joined by simulated sockets.</summary>
internal sealed record SimulatedPair(StreamConnection<SimulatedStreamSocket> Server, StreamConnection<SimulatedStreamSocket> Client)
{
    public static SimulatedPair Connect(SimulatedNetwork network, MemoryPool<byte> pool, int blockSizeInBytes, int capacity = 0)
    {
        var settings = new StreamSettings
        {
            Pool = pool,
            Heartbeat = new Heartbeat(TimeProvider.System),
            Logger = NullLogger.Instance,
            Scheduler = network,
            SmallestReceiveInBytes = blockSizeInBytes,
            LargestReceiveInBytes = blockSizeInBytes,
            WaitBufferSizeInBytes = 1 + network.Next(network.Next(2) == 0 ? 8 : 300),
            MinimumReceiveSizeInBytes = Math.Max(1, blockSizeInBytes / 4),
            SmallestSendBlockInBytes = blockSizeInBytes,
            LargestSendBlockInBytes = blockSizeInBytes,
            MostCopiedInBytes = 4 * blockSizeInBytes,
            WaitPieceInBytes = Math.Max(1, blockSizeInBytes / 4),
            Close = new CloseOptions { DiscardLimitInBytes = 64 * 1024 },
        };
        var (server, client) = SimulatedSocket.CreatePair(network, capacity);
        return new SimulatedPair(
            new StreamConnection<SimulatedStreamSocket>(new SimulatedStreamSocket(server), settings, lingerInBackground: false),
            new StreamConnection<SimulatedStreamSocket>(new SimulatedStreamSocket(client), settings, lingerInBackground: false));
    }
}
