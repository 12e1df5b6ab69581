using Peregrine.Contract;

namespace Peregrine.Middleware.Tests.Timeouts;

public sealed class WatchedReaderTests() : ReaderContract(WatchedPair.ConnectAsync);

public sealed class WatchedReaderMisuseTests() : ReaderMisuseContract(WatchedPair.ConnectAsync);

public sealed class WatchedReaderCancellationTests() : ReaderCancellationContract(WatchedPair.ConnectAsync);

public sealed class WatchedWriterTests() : WriterContract(WatchedPair.ConnectAsync);

public sealed class WatchedBackpressureTests() : BackpressureContract(WatchedPair.ConnectAsync);

public sealed class WatchedBufferTests() : BufferContract(WatchedPair.ConnectAsync);

public sealed class WatchedConnectionTests() : ConnectionContract(WatchedPair.ConnectAsync);

public sealed class WatchedEndTests() : EndContract(WatchedPair.ConnectAsync);

public sealed class WatchedRandomTransferTests() : RandomTransferContract(WatchedPair.ConnectAsync, seeds: 100);

internal static class WatchedPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => WrappedPair.ConnectAsync(
        blockSizeInBytes, Pipeline.Services(), builder => builder.UseTimeouts(options => options.Idle = TimeSpan.FromHours(1)));
}
