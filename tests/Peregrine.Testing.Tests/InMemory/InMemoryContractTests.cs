using System.Net;
using Peregrine.Contract;

namespace Peregrine.Testing.Tests.InMemory;

public sealed class InMemoryReaderTests() : ReaderContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryReaderMisuseTests() : ReaderMisuseContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryReaderCancellationTests() : ReaderCancellationContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryWriterTests() : WriterContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryBackpressureTests() : BackpressureContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryBufferTests() : BufferContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryConnectionTests() : ConnectionContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryEndTests() : EndContract(InMemoryPair.ConnectAsync);

public sealed class InMemoryRandomTransferTests() : RandomTransferContract(InMemoryPair.ConnectAsync, seeds: 1_000);

/// <summary>A pipe that fills after some bytes: nearly every flush waits.</summary>
public sealed class InMemoryRandomTransferUnderPressureTests()
    : RandomTransferContract(blockSize => InMemoryPair.ConnectAsync(blockSize, pauseWriterThresholdInBytes: 50), seeds: 300);

internal static class InMemoryPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, pauseWriterThresholdInBytes: 65_536);

    public static async ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes, long pauseWriterThresholdInBytes)
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes);
        var transport = new InMemoryTransport(new InMemoryTransportOptions
        {
            Pool = pool,
            BlockSizeInBytes = blockSizeInBytes,
            PauseWriterThresholdInBytes = pauseWriterThresholdInBytes,
        });
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var accepting = listener.AcceptAsync();
        var client = await transport.ConnectAsync(listener.EndPoint);
        var server = await accepting;
        return new ConnectionPair(server!, client, blockSizeInBytes, pool) { Cleanup = listener.DisposeAsync };
    }
}
