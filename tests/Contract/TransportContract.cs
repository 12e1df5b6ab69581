using System.Reflection;
using System.Runtime.ExceptionServices;
using Microsoft.AspNetCore.Connections;
using Xunit.Sdk;

namespace Peregrine.Contract;

/// <summary>
/// What every stream transport keeps, whatever carries the bytes. The derived suites say nothing about timing, about the pieces in which bytes
/// arrive, or about how many bytes a transport holds. A transport takes part with one line for each suite, as in
/// <c>public sealed class TcpReaderTests() : ReaderContract(Tcp.ConnectAsync);</c>.
/// </summary>
public abstract class TransportContract(Func<int, ValueTask<ConnectionPair>> connect)
{
    /// <summary>The one timeout of everything that a test waits for.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    protected Task RunAsync(int blockSizeInBytes, Func<ConnectionContext, ConnectionContext, Task> test) =>
        RunAsync(blockSizeInBytes, pair => test(pair.Server, pair.Client));

    /// <summary>Runs a test with a new pair; afterwards every buffer must have come back.</summary>
    protected async Task RunAsync(int blockSizeInBytes, Func<ConnectionPair, Task> test)
    {
        var pair = await connect(blockSizeInBytes);
        ExceptionDispatchInfo? failure = null;
        try
        {
            // On the thread pool, without the runner's synchronization context, which would hide a continuation that runs inline.
            await Task.Run(() => test(pair)).WaitAsync(Limit, TimeProvider.System);
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
            pair.Server.Abort();
            pair.Client.Abort();
        }

        try
        {
            await pair.DisposeAsync();
        }
        catch (Exception) when (failure is not null)
        {
            // The first failure is the one to read.
        }

        failure?.Throw();
    }

    /// <summary>What a transport takes while nobody receives: a Unix domain socket takes some 280 sends, of however few bytes.</summary>
    protected static int FewBlocks(int blockSizeInBytes) => blockSizeInBytes >= 64 ? 1000 : 150;

    /// <summary>A size for tests that move much: a transport with tiny blocks spends its time on blocks.</summary>
    protected static int Scaled(int bytes, int blockSizeInBytes) => blockSizeInBytes >= 64 ? bytes : bytes / 64;
}

/// <summary>Gives a theory the block sizes that every transport is tried with.</summary>
public sealed class BlockSizesAttribute : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[1], [2], [3], [7], [64], [4096]];
}
