using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Middleware.Sessions;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class LimitTests
{
    private readonly Handled _handled = new();

    [Fact]
    public async Task The_oldest_that_is_not_validated_makes_room_and_a_validated_one_never_does()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options =>
        {
            options.MaxSessions = 3;
            options.Admit = static request => request.Payload[0] == 1 ? DatagramSessionAdmission.AcceptValidated : DatagramSessionAdmission.AcceptUnvalidated;
        });
        endpoint.Receive(From(Peer(1), 0), From(Peer(2), 1), From(Peer(3), 0));
        var (first, third) = (await _handled.SessionWithAsync(Peer(1)), await _handled.SessionWithAsync(Peer(3)));
        first.Validate();
        endpoint.Receive(From(Peer(4), 0));
        Assert.Equal(DatagramSessionEndReason.Evicted, third.EndReason);
        Assert.Null(first.EndReason);
        endpoint.Receive(From(Peer(5), 1));
        Assert.Equal(3, endpoint.Table.Count);
        Assert.Equal(0, endpoint.Dropped(DatagramDropReason.SessionLimit));
        endpoint.Receive(From(Peer(6), 1), From(Peer(7), 0));
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.SessionLimit));
        Assert.All([1, 2, 5], peer => Assert.NotNull(endpoint.Table.Find(SessionKey.Of(Peer(peer)))));
        var entry = Assert.Single(endpoint.Log.Entries);
        Assert.Equal((LogLevel.Warning, 303), (entry.Level, entry.Id));
        Assert.Contains("MaxSessions = 3", entry.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_has_so_many_sessions_and_an_IPv6_network_counts_as_one()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options => options.MaxSessionsPerAddress = 2);
        for (ushort port = 1; port <= 4; port++)
        {
            endpoint.Receive(From(Peer(1, port), 1), From(new DatagramAddress(0x2001_0DB8_0000_0000, port, 7000), 1));
        }

        Assert.Equal(4, endpoint.Table.Count);
        Assert.Equal(4, endpoint.Dropped(DatagramDropReason.SessionLimitPerAddress));
        endpoint.Receive(From(Peer(2), 1), From(new DatagramAddress(0x2001_0DB8_0000_0001, 1, 7000), 1));
        Assert.Equal(6, endpoint.Table.Count);
        endpoint.Beat(31);
        endpoint.Receive(From(Peer(1, 9), 1));
        Assert.Equal(1, endpoint.Table.Count);
    }

    [Fact]
    public async Task Who_is_validated_takes_the_place_of_the_oldest_of_its_address_that_is_not()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options =>
        {
            options.MaxSessionsPerAddress = 3;
            options.Admit = static request => request.Payload[0] == 1 ? DatagramSessionAdmission.AcceptValidated : DatagramSessionAdmission.AcceptUnvalidated;
        });
        endpoint.Receive(From(Peer(2, 1), 0), From(Peer(1, 1), 0), From(Peer(1, 2), 0), From(Peer(1, 3), 0));
        var sessions = await Task.WhenAll(Enumerable.Range(1, 3).Select(port => _handled.SessionWithAsync(Peer(1, (ushort)port))));
        sessions[0].Validate();

        // As forged as those that are there, it gets no place of theirs.
        endpoint.Receive(From(Peer(1, 4), 0));
        Assert.Equal(1, endpoint.Dropped(DatagramDropReason.SessionLimitPerAddress));
        Assert.All(sessions, static session => Assert.Null(session.EndReason));
        endpoint.Receive(From(Peer(1, 5), 1));
        Assert.Equal([null, DatagramSessionEndReason.Evicted, null], sessions.Select(static session => session.EndReason));
        endpoint.Receive(From(Peer(1, 6), 1));
        Assert.Equal(DatagramSessionEndReason.Evicted, sessions[2].EndReason);
        endpoint.Receive(From(Peer(1, 7), 1));
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.SessionLimitPerAddress));
        Assert.All([Peer(2, 1), Peer(1, 1), Peer(1, 5), Peer(1, 6)], peer => Assert.NotNull(endpoint.Table.Find(SessionKey.Of(peer))));
        Assert.Equal(4, endpoint.Table.Count);
        await endpoint.StopAsync().Bounded();
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public async Task Handlers_that_do_not_return_are_no_more_than_there_may_be_sessions_and_forged_peers_leave_some_to_others()
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, static options =>
        {
            options.MaxSessions = 10;
            options.Admit = static request => request.Payload[0] == 1 ? DatagramSessionAdmission.AcceptValidated : DatagramSessionAdmission.AcceptUnvalidated;
        });
        await FloodAsync(0, 100, 0);
        Assert.Equal((10, 8), (endpoint.Table.Count, endpoint.Table.EndingCount));
        Assert.Equal(82, endpoint.Dropped(DatagramDropReason.SessionLimit));
        Assert.Equal(8, endpoint.Dropped(DatagramDropReason.SessionEnded));
        await FloodAsync(100, 10, 1);
        Assert.Equal((10, 10), (endpoint.Table.Count, endpoint.Table.EndingCount));
        Assert.Equal(90, endpoint.Dropped(DatagramDropReason.SessionLimit));
        Assert.Equal(10, endpoint.Dropped(DatagramDropReason.SessionEnded));
        _handled.Open();
        await endpoint.StopAsync().Bounded();
        Assert.Equal(10, _handled.Delivered);
        await endpoint.AssertEmptyAsync();

        async Task FloodAsync(int first, int count, byte payload)
        {
            for (var i = first; i < first + count; i++)
            {
                endpoint.Receive(From(Peer(i), payload));
                if (endpoint.Table.Find(SessionKey.Of(Peer(i))) is not null)
                {
                    // Before its eviction, so that the handler runs.
                    await _handled.SessionWithAsync(Peer(i));
                }
            }
        }
    }

    [Theory]
    [InlineData(DatagramDropPolicy.DropOldest, new byte[] { 3, 4, 5 })]
    [InlineData(DatagramDropPolicy.DropNewest, new byte[] { 1, 2, 3 })]
    public async Task A_full_queue_drops_by_its_policy(DatagramDropPolicy policy, byte[] kept)
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, options => (options.QueueLength, options.DropPolicy) = (3, policy));
        endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2), From(Peer(1), 3), From(Peer(1), 4), From(Peer(1), 5));
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.SessionQueueFull));
        _handled.Open();
        await TestTimeout.UntilAsync(() => _handled.Delivered == 3);
        Assert.Equal(kept, _handled.Payloads.SelectMany(static payload => payload));
        await endpoint.StopAsync().Bounded();
        await endpoint.AssertEmptyAsync();
    }

    [Theory]
    [InlineData(DatagramDropPolicy.DropOldest)]
    [InlineData(DatagramDropPolicy.DropNewest)]
    public async Task The_memory_of_a_queue_and_that_of_all_is_bounded(DatagramDropPolicy policy)
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, options =>
        {
            options.MaxQueuedBytesPerSession = 2 * DatagramPool.LargestCost;
            options.MaxQueuedBytes = 5 * DatagramPool.LargestCost;
            options.DropPolicy = policy;
        });
        var largest = new byte[65_507];
        for (var i = 0; i < 30; i++)
        {
            endpoint.Receive(new Datagram(largest, new DatagramPath(Peer(i % 3))));
            Assert.InRange(endpoint.Pool.Allocated, 0, 5 * DatagramPool.LargestCost);
        }

        Assert.Equal(25, endpoint.Dropped(DatagramDropReason.SessionQueueFull));
        _handled.Open();
        await TestTimeout.UntilAsync(() => _handled.Delivered == 5);
        await endpoint.StopAsync().Bounded();
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public void Memory_of_another_size_makes_room_and_what_is_not_needed_is_given_back()
    {
        var pool = new DatagramPool(4 * DatagramPool.LargestCost);
        var small = Enumerable.Range(0, 500).Select(_ => pool.TryRent(100)).ToList();
        small.ForEach(datagram => pool.Return(datagram!));
        Assert.Equal(500 * DatagramPool.CostOf(100), pool.Allocated);
        var large = Enumerable.Range(0, 5).Select(_ => pool.TryRent(65_507)).ToList();
        Assert.Equal(4, large.Count(static datagram => datagram is not null));
        Assert.Equal(4 * DatagramPool.LargestCost, pool.Allocated);
        large.ForEach(datagram =>
        {
            if (datagram is not null)
            {
                pool.Return(datagram);
            }
        });
        Assert.Equal(0, pool.Used);
        for (var i = 0; i < 5; i++)
        {
            pool.Trim();
        }

        Assert.Equal(0, pool.Allocated);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 64)]
    [InlineData(64, 64)]
    [InlineData(65, 128)]
    [InlineData(1200, 2048)]
    [InlineData(65_507, 65_536)]
    [InlineData(65_536, 65_536)]
    public void A_datagram_takes_its_payload_rounded_up(int length, int capacity)
    {
        Assert.Equal(capacity + DatagramPool.Overhead, DatagramPool.CostOf(length));
        Assert.Equal(capacity, new DatagramPool(1 << 20).TryRent(length)!.Buffer.Length);
    }

    [Fact]
    public void What_is_longer_than_a_datagram_can_be_is_dropped()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(new Datagram(new byte[65_537], new DatagramPath(Peer(1))));
        Assert.Equal(1, endpoint.Dropped(DatagramDropReason.SessionQueueFull));
    }

    [Fact]
    public void Addresses_that_are_made_to_collide_do_not()
    {
        // Each with one number where its halves are combined, as the hash of an ulong does.
        var addresses = Enumerable.Range(0, 4096).Select(static i => new DatagramAddress(((ulong)i << 32) | (uint)i, ((ulong)i << 32) | (uint)i, 7000)).ToList();
        Assert.InRange(addresses.Select(static address => address.GetHashCode()).Distinct().Count(), 4090, 4096);
        var comparer = new SessionKeyComparer();
        Assert.InRange(addresses.Select(address => comparer.GetHashCode(SessionKey.Of(address))).Distinct().Count(), 4090, 4096);
        Assert.NotEqual(comparer.GetHashCode(SessionKey.Of(addresses[1])), new SessionKeyComparer().GetHashCode(SessionKey.Of(addresses[1])));
    }

    [Fact]
    public async Task Sessions_are_counted_by_endpoint_and_by_the_reason_of_their_end()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        var seen = new Dictionary<string, long>();
        using var listener = new MeterListener();
        var meters = endpoint.ApplicationServices.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>(Record);
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, state) => Record(instrument, value, tags, state));
        listener.Start();
        endpoint.Receive(From(Peer(1), 1), From(Peer(2), 1));
        listener.RecordObservableInstruments();
        endpoint.Table.Find(SessionKey.Of(Peer(1)))!.Close();
        endpoint.Beat(31);
        await endpoint.AssertEmptyAsync();
        listener.RecordObservableInstruments();
        await endpoint.StopAsync().Bounded();
        listener.RecordObservableInstruments();
        var expected = new Dictionary<string, long>
        {
            ["peregrine.server.sessions.created|peregrine.endpoint=game"] = 2,
            ["peregrine.server.sessions.active|peregrine.endpoint=game"] = 2,
            ["peregrine.server.sessions.ended|peregrine.endpoint=game|peregrine.close.reason=closed"] = 1,
            ["peregrine.server.sessions.ended|peregrine.endpoint=game|peregrine.close.reason=idle"] = 1,
        };
        Assert.Equal(expected, seen);

        void Record(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
        {
            var name = string.Join('|', [instrument.Name, .. tags.ToArray().Select(static tag => $"{tag.Key}={tag.Value}")]);
            lock (seen)
            {
                seen[name] = seen.GetValueOrDefault(name) + value;
            }
        }
    }
}
