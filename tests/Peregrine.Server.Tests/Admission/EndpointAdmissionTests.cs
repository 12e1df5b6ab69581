using System.Net;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Admission;

namespace Peregrine.Server.Tests.Admission;

public sealed class EndpointAdmissionTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void An_address_has_as_many_connections_as_it_may_over_all_endpoints()
    {
        using var admission = new TestAdmission(limits => limits.MaxConnectionsPerAddress = 2);
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "203.0.113.7", out var network));
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Other, "::ffff:203.0.113.7", out _));
        Assert.Equal(ConnectionCloseReason.RejectedConnectionsPerAddress, Enter(admission.Endpoint, "203.0.113.7", out _));
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "203.0.113.8", out _));
        admission.Endpoint.Leave(network, hasPlace: false);
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "203.0.113.7", out _));
    }

    [Fact]
    public void An_address_that_has_no_connections_left_is_forgotten()
    {
        using var admission = new TestAdmission(limits => limits.MaxConnectionsPerAddress = 2);
        for (var i = 0; i < 1_000; i++)
        {
            Enter(admission.Endpoint, $"2001:db8:{i:x}::1", out var network);
            Assert.Equal(1, admission.Server.PeerCounts.Count);
            admission.Endpoint.Leave(network, hasPlace: false);
        }

        Assert.Equal(0, admission.Server.PeerCounts.Count);
    }

    [Fact]
    public void Whoever_is_exempt_or_has_no_address_is_bounded_by_neither_limit()
    {
        using var admission = new TestAdmission(limits =>
        {
            limits.MaxConnectionsPerAddress = 1;
            limits.ConnectionsPerSecondPerAddress = 1;
            limits.ExemptNetworks.Add(IPNetwork.Parse("10.0.0.0/8"));
        });
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "10.1.2.3", out var network));
            Assert.Equal(PeerNetwork.None, network);
            Assert.Equal(ConnectionCloseReason.None, admission.Endpoint.Enter(null, out network));
            Assert.Equal(PeerNetwork.None, network);
        }
    }

    [Fact]
    public void An_address_connects_as_often_as_it_may_with_a_burst_of_a_second()
    {
        using var admission = new TestAdmission(limits => limits.ConnectionsPerSecondPerAddress = 10, clock: _clock);
        Assert.Equal(10, Attempt(admission, 100));
        _clock.Advance(TimeSpan.FromMilliseconds(99));
        Assert.Equal(0, Attempt(admission, 100));
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(1, Attempt(admission, 100));
        _clock.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Equal(5, Attempt(admission, 100));
        _clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(10, Attempt(admission, 100));
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "203.0.113.8", out _));
    }

    [Fact]
    public void Addresses_are_dropped_from_the_rates_a_second_after_their_last_connection()
    {
        using var admission = new TestAdmission(limits => limits.ConnectionsPerSecondPerAddress = 2, clock: _clock);
        for (var i = 0; i < 10_000; i++)
        {
            Enter(admission.Endpoint, $"2001:db8:{i:x}::1", out _);
        }

        Assert.Equal(10_000, admission.Server.Peers.RateLimiter!.Count);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Enter(admission.Endpoint, "203.0.113.7", out _);
        Assert.Equal(1, admission.Server.Peers.RateLimiter!.Count);
    }

    [Fact]
    public void The_rules_of_an_endpoint_decide_first_and_denied_wins_over_allowed()
    {
        using var admission = new TestAdmission(
            limits => limits.ConnectionsPerSecondPerAddress = 1,
            endpoint =>
            {
                endpoint.Addresses.Allow.Add(IPNetwork.Parse("10.0.0.0/8"));
                endpoint.Addresses.Deny.Add(IPNetwork.Parse("10.1.0.0/16"));
            });
        Assert.Equal(ConnectionCloseReason.RejectedAddress, Enter(admission.Endpoint, "10.1.0.1", out _));
        Assert.Equal(ConnectionCloseReason.RejectedAddress, Enter(admission.Endpoint, "203.0.113.7", out _));
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "10.2.0.1", out _));
        Assert.Equal(ConnectionCloseReason.None, admission.Endpoint.Enter(null, out _));
        admission.ChangeEndpoint(endpoint => endpoint.Addresses.Deny.Clear());
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "10.1.0.1", out _));
    }

    [Fact]
    public async Task The_pace_makes_loops_wait_and_lets_no_more_through_than_it_says()
    {
        using var admission = new TestAdmission(limits => limits.AcceptsPerSecond = 100, clock: _clock);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(admission.Endpoint.IsOpen);
            Enter(admission.Endpoint, "203.0.113.7", out _);
        }

        var waiting = admission.Endpoint.WaitUntilOpenAsync(CancellationToken.None).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(9));
        Assert.False(waiting.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await waiting.InTimeAsync();
        Enter(admission.Endpoint, "203.0.113.7", out _);
        Assert.False(admission.Endpoint.IsOpen);
        _clock.Advance(TimeSpan.FromSeconds(30));
        for (var i = 0; i < 100; i++)
        {
            Assert.True(admission.Endpoint.IsOpen);
            Enter(admission.Endpoint, "203.0.113.7", out _);
        }

        Assert.False(admission.Endpoint.IsOpen);
    }

    [Fact]
    public async Task A_pace_that_is_raised_or_a_stop_ends_the_wait_at_once()
    {
        using var admission = new TestAdmission(limits => limits.AcceptsPerSecond = 1, clock: _clock);
        Enter(admission.Endpoint, "203.0.113.7", out _);
        var waiting = admission.Endpoint.WaitUntilOpenAsync(CancellationToken.None).AsTask();
        using var stopping = new CancellationTokenSource();
        var stopped = admission.Endpoint.WaitUntilOpenAsync(stopping.Token).AsTask();
        Assert.False(waiting.IsCompleted || stopped.IsCompleted);
        await stopping.CancelAsync();
        await stopped.InTimeAsync();
        admission.Change(limits => limits.AcceptsPerSecond = 1_000);
        await waiting.InTimeAsync();
        admission.Change(limits => limits.AcceptsPerSecond = null);
        Assert.True(admission.Endpoint.IsOpen);
    }

    [Fact]
    public void A_rate_that_stays_the_same_keeps_what_was_used_of_it()
    {
        using var admission = new TestAdmission(limits => limits.ConnectionsPerSecondPerAddress = 10, clock: _clock);
        Assert.Equal(10, Attempt(admission, 100));
        admission.Change(limits => limits.MaxConnections = 500);
        Assert.Equal(0, Attempt(admission, 100));
        admission.Change(limits => limits.ConnectionsPerSecondPerAddress = 20);
        Assert.Equal(20, Attempt(admission, 100));
    }

    [Fact]
    public void An_admission_within_the_limits_allocates_nothing()
    {
        using var admission = new TestAdmission(limits => limits.ConnectionsPerSecondPerAddress = 1_000_000);
        var remote = new IPEndPoint(IPAddress.Parse("2001:db8::1"), 1);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                Assert.True(admission.Endpoint.IsOpen);
                admission.Endpoint.Enter(remote, out var network);
                admission.Endpoint.TryTakePlace();
                admission.Endpoint.Leave(network);
            }
        }));
    }

    private static int Attempt(TestAdmission admission, int times) =>
        Enumerable.Range(0, times).Count(_ => Enter(admission.Endpoint, "203.0.113.7", out var _) == ConnectionCloseReason.None);

    [Fact]
    public void Those_that_are_refused_or_were_queued_at_the_stop_take_no_turn_of_the_pace()
    {
        using var admission = new TestAdmission(
            limits => (limits.AcceptsPerSecond, limits.MaxConnectionsPerAddress) = (10, 1), clock: new Microsoft.Extensions.Time.Testing.FakeTimeProvider());
        Assert.Equal(ConnectionCloseReason.None, Enter(admission.Endpoint, "203.0.113.7", out _));
        for (var i = 0; i < 1_000; i++)
        {
            Assert.Equal(ConnectionCloseReason.RejectedConnectionsPerAddress, Enter(admission.Endpoint, "203.0.113.7", out _));
            Assert.Equal(ConnectionCloseReason.None, admission.Endpoint.Enter(null, out _, isPaced: false));
        }

        Assert.False(admission.Server.Pace.MustWait);
        for (var i = 0; i < 10; i++)
        {
            admission.Endpoint.Enter(null, out _);
        }

        Assert.True(admission.Server.Pace.MustWait);
    }

    private static ConnectionCloseReason Enter(EndpointAdmission endpoint, string address, out PeerNetwork network) =>
        endpoint.Enter(new IPEndPoint(IPAddress.Parse(address), 1), out network);
}
