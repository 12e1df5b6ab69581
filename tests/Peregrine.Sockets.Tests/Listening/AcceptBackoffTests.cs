using System.Net.Sockets;
using Peregrine.Sockets.Listening;

namespace Peregrine.Sockets.Tests.Listening;

public sealed class AcceptBackoffTests
{
    [Theory]
    [InlineData(1, 25)]
    [InlineData(4, 60)]
    [InlineData(16, 250)]
    public void A_shortage_of_descriptors_costs_few_calls_whatever_the_slots(int slots, int most)
    {
        var backoff = default(AcceptBackoff);
        var due = new TimeSpan[slots];
        var calls = 0;
        while (due.Min() < TimeSpan.FromSeconds(10))
        {
            var slot = Array.IndexOf(due, due.Min());
            due[slot] += backoff.Next(SocketError.TooManyOpenSockets);
            calls++;
        }

        Assert.InRange(calls, slots * 10, most);
    }

    [Fact]
    public void An_error_of_one_connection_is_retried_at_once_but_not_for_ever()
    {
        var backoff = default(AcceptBackoff);
        var delays = Enumerable.Range(0, 17).Select(_ => backoff.Next(SocketError.ConnectionAborted)).ToArray();
        Assert.All(delays[..16], delay => Assert.Equal(TimeSpan.Zero, delay));
        Assert.Equal(TimeSpan.FromMilliseconds(5), delays[16]);
    }
}
