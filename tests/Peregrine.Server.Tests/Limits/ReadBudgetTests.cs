using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Tests.Limits;

public sealed class ReadBudgetTests
{
    [Fact]
    public void What_was_received_while_any_number_might_be_is_no_debt()
    {
        var clock = new FakeTimeProvider();
        var counts = new Counts();
        var budget = new ReadBudget(counts, clock, 1_000_000);
        Assert.True(budget.Allows(null));
        counts.BytesReceived = 1_000_000_000;
        Assert.True(budget.Allows(null));
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(budget.Allows(1_000_000));

        counts.BytesReceived += 500_000;
        Assert.False(budget.Allows(1_000_000));
        clock.Advance(TimeSpan.FromSeconds(0.6));
        Assert.True(budget.Allows(1_000_000));
    }

    private sealed class Counts : IConnectionByteCountFeature
    {
        public long BytesReceived { get; set; }

        public long BytesSent => 0;
    }
}
