using Peregrine.Contract;
using XorMiddleware;

namespace Peregrine.Middleware.Tests.Samples;

public sealed class XorReaderTests() : ReaderContract(XorPair.ConnectAsync);

public sealed class XorReaderMisuseTests() : ReaderMisuseContract(XorPair.ConnectAsync);

public sealed class XorReaderCancellationTests() : ReaderCancellationContract(XorPair.ConnectAsync);

public sealed class XorWriterTests() : WriterContract(XorPair.ConnectAsync);

public sealed class XorBackpressureTests() : BackpressureContract(XorPair.ConnectAsync);

public sealed class XorBufferTests() : BufferContract(XorPair.ConnectAsync);

public sealed class XorConnectionTests() : ConnectionContract(XorPair.ConnectAsync);

public sealed class XorEndTests() : EndContract(XorPair.ConnectAsync);

public sealed class XorRandomTransferTests() : RandomTransferContract(XorPair.ConnectAsync, seeds: 100);

internal static class XorPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => WrappedPair.ConnectAsync(
        blockSizeInBytes, Pipeline.Services(), builder => builder.UseXor(0x5A));
}
