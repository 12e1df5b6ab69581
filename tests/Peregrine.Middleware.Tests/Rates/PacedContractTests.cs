using Peregrine.Contract;

namespace Peregrine.Middleware.Tests.Rates;

public sealed class PacedReaderTests() : ReaderContract(PacedPair.ConnectAsync);

public sealed class PacedReaderMisuseTests() : ReaderMisuseContract(PacedPair.ConnectAsync);

public sealed class PacedReaderCancellationTests() : ReaderCancellationContract(PacedPair.ConnectAsync);

public sealed class PacedWriterTests() : WriterContract(PacedPair.ConnectAsync);

public sealed class PacedBackpressureTests() : BackpressureContract(PacedPair.ConnectAsync);

public sealed class PacedBufferTests() : BufferContract(PacedPair.ConnectAsync);

public sealed class PacedConnectionTests() : ConnectionContract(PacedPair.ConnectAsync);

public sealed class PacedEndTests() : EndContract(PacedPair.ConnectAsync);

public sealed class PacedRandomTransferTests() : RandomTransferContract(PacedPair.ConnectAsync, seeds: 100);

internal static class PacedPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => WrappedPair.ConnectAsync(
        blockSizeInBytes, Pipeline.Services(), builder => builder.UseReadRateLimit(int.MaxValue));
}
