using System.Globalization;
using Peregrine.IntegrationTests.Processes;
using Peregrine.IntegrationTests.Survival.Programs;

namespace Peregrine.IntegrationTests.Survival;

/// <summary>The application blocks the thread pool, in a process of its own.</summary>
public sealed class StarvedPoolTests
{
    [Fact]
    public async Task Broadcasts_do_not_fill_the_queue_of_a_pool_that_does_not_get_to_them()
    {
        await using var program = ServerProcess.Start(TestProgram.Assembly, [StarvedPool.Name]);
        Assert.Equal(0, await program.WaitForExitAsync());
        var lines = program.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        // Some work is the runtime's own.
        Assert.InRange(long.Parse(lines[0], CultureInfo.InvariantCulture), 0, StarvedPool.Broadcasts / 100);
        Assert.Equal("0", lines[1]);
    }
}
