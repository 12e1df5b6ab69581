using Peregrine.Contract;

namespace Peregrine.Middleware.Tests.Scheduling;

public sealed class PooledReaderTests() : ReaderContract(PooledPair.ConnectAsync);

public sealed class PooledReaderMisuseTests() : ReaderMisuseContract(PooledPair.ConnectAsync);

public sealed class PooledReaderCancellationTests() : ReaderCancellationContract(PooledPair.ConnectAsync);

public sealed class PooledWriterTests() : WriterContract(PooledPair.ConnectAsync);

public sealed class PooledBackpressureTests() : BackpressureContract(PooledPair.ConnectAsync);

public sealed class PooledBufferTests() : BufferContract(PooledPair.ConnectAsync);

public sealed class PooledConnectionTests() : ConnectionContract(PooledPair.ConnectAsync);

public sealed class PooledEndTests() : EndContract(PooledPair.ConnectAsync);

public sealed class PooledRandomTransferTests() : RandomTransferContract(PooledPair.ConnectAsync, seeds: 100);

internal static class PooledPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => WrappedPair.ConnectAsync(
        blockSizeInBytes, Pipeline.Services(), builder => builder.UseThreadPool());
}
