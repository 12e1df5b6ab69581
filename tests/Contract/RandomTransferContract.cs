using Xunit.Sdk;

namespace Peregrine.Contract;

/// <summary>Many <see cref="RandomTransfer"/>s. Their number is the transport's: a system call costs more than a pipe.</summary>
public abstract class RandomTransferContract(Func<int, ValueTask<ConnectionPair>> connect, int seeds) : TransportContract(connect)
{
    [Theory, BlockSizes]
    public async Task Random_transfers_lose_no_byte(int blockSize)
    {
        for (int seed = 0; seed < seeds; seed++)
        {
            int current = blockSize * 10_000 + seed;
            try
            {
                await RunAsync(blockSize, pair => RandomTransfer.RunAsync(pair, current));
            }
            catch (Exception exception) when (exception is not XunitException)
            {
                throw new XunitException($"The random transfer with block size {blockSize} and seed {current} failed: {exception.Message}", exception);
            }
        }
    }
}
