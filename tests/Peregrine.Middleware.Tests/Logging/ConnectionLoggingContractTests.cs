using Microsoft.Extensions.Logging;
using Peregrine.Contract;

namespace Peregrine.Middleware.Tests.Logging;

public sealed class LoggedReaderTests() : ReaderContract(LoggedPair.ConnectAsync);

public sealed class LoggedReaderMisuseTests() : ReaderMisuseContract(LoggedPair.ConnectAsync);

public sealed class LoggedReaderCancellationTests() : ReaderCancellationContract(LoggedPair.ConnectAsync);

public sealed class LoggedWriterTests() : WriterContract(LoggedPair.ConnectAsync);

public sealed class LoggedBackpressureTests() : BackpressureContract(LoggedPair.ConnectAsync);

public sealed class LoggedBufferTests() : BufferContract(LoggedPair.ConnectAsync);

public sealed class LoggedConnectionTests() : ConnectionContract(LoggedPair.ConnectAsync);

public sealed class LoggedEndTests() : EndContract(LoggedPair.ConnectAsync);

public sealed class LoggedRandomTransferTests() : RandomTransferContract(LoggedPair.ConnectAsync, seeds: 100);

internal static class LoggedPair
{
    public static ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes) => WrappedPair.ConnectAsync(
        blockSizeInBytes, Pipeline.Services(new RecordedLog(LogLevel.Trace)), builder => builder.UseConnectionLogging(options => options.MaxDumpSizeInBytes = 64));
}
