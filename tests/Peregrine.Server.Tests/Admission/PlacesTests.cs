using Peregrine.Server.Admission;

namespace Peregrine.Server.Tests.Admission;

public sealed class PlacesTests
{
    private readonly Places _places = new() { Max = 2 };
    private readonly EndpointPlaces _one = new();
    private readonly EndpointPlaces _two = new();

    [Fact]
    public void A_place_is_taken_within_the_bounds_of_server_and_endpoint()
    {
        _places.Change(() => _one.Max = 1);
        Assert.True(_places.TryTake(_one));
        Assert.False(_places.TryTake(_one));
        Assert.True(_places.TryTake(_two));
        Assert.False(_places.TryTake(_two));
        _places.Return(_one);
        Assert.True(_places.TryTake(_two));
        Assert.Equal(2, _places.Count);
    }

    [Fact]
    public async Task Whoever_waits_for_room_takes_none_and_all_are_woken()
    {
        Fill(_one);
        var first = _places.WaitForRoomAsync(_one, CancellationToken.None);
        var second = _places.WaitForRoomAsync(_two, CancellationToken.None);
        Assert.False(first.IsCompleted || second.IsCompleted);
        _places.Return(_one);
        await Task.WhenAll(first, second).InTimeAsync();
        Assert.Equal(1, _places.Count);
    }

    [Fact]
    public async Task Room_at_another_endpoint_wakes_nobody()
    {
        _places.Change(() => _one.Max = 1);
        Assert.True(_places.TryTake(_one));
        Assert.True(_places.TryTake(_two));
        var waiting = _places.WaitForRoomAsync(_one, CancellationToken.None);
        _places.Return(_two);
        Assert.False(waiting.IsCompleted);
        _places.Return(_one);
        await waiting.InTimeAsync();
    }

    [Fact]
    public async Task Connections_that_are_held_get_places_in_turn_before_anybody_accepts_another()
    {
        Fill(_one);
        var first = _places.TakeAsync(_one, CancellationToken.None);
        var second = _places.TakeAsync(_two, CancellationToken.None);
        var room = _places.WaitForRoomAsync(_two, CancellationToken.None);
        Assert.Equal(2, _places.HeldCount);
        _places.Return(_one);
        Assert.True(await first.InTimeAsync());
        Assert.False(second.IsCompleted);
        _places.Return(_one);
        Assert.True(await second.InTimeAsync());
        Assert.False(room.IsCompleted);
        Assert.Equal(2, _places.Count);
        _places.Return(_two);
        await room.InTimeAsync();
    }

    [Fact]
    public async Task A_held_connection_whose_endpoint_is_full_holds_up_no_other()
    {
        _places.Change(() => _one.Max = 1);
        Assert.True(_places.TryTake(_one));
        Assert.True(_places.TryTake(_two));
        var full = _places.TakeAsync(_one, CancellationToken.None);
        var other = _places.TakeAsync(_two, CancellationToken.None);
        _places.Return(_two);
        Assert.True(await other.InTimeAsync());
        Assert.False(full.IsCompleted);
    }

    [Fact]
    public async Task A_bound_that_is_raised_wakes_and_one_that_is_lowered_takes_nothing()
    {
        Fill(_one);
        var held = _places.TakeAsync(_one, CancellationToken.None);
        var room = _places.WaitForRoomAsync(_two, CancellationToken.None);
        _places.Max = 4;
        Assert.True(await held.InTimeAsync());
        await room.InTimeAsync();
        _places.Max = 1;
        Assert.Equal(3, _places.Count);
        _places.Return(_one);
        _places.Return(_one);
        Assert.False(_places.TryTake(_two));
        _places.Return(_one);
        Assert.True(_places.TryTake(_two));
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_leaves_nothing_behind()
    {
        Fill(_one);
        using var cancellation = new CancellationTokenSource();
        var held = _places.TakeAsync(_one, cancellation.Token);
        var room = _places.WaitForRoomAsync(_one, cancellation.Token);
        await cancellation.CancelAsync();
        Assert.False(await held.InTimeAsync());
        await room.InTimeAsync();
        Assert.Equal(0, _places.HeldCount);
        _places.Return(_one);
        Assert.Equal(1, _places.Count);
    }

    [Fact]
    public async Task The_stop_learns_that_a_connection_waits_for_a_place()
    {
        Fill(_one);
        var blocked = _places.WhenBlockedAsync();
        Assert.False(blocked.IsCompleted);
        var held = _places.TakeAsync(_one, CancellationToken.None);
        await blocked.InTimeAsync();
        _places.Return(_one);
        Assert.True(await held.InTimeAsync());
    }

    /// <summary>Takers, holders and cancellations at once: a place is never given twice, and none is lost.</summary>
    [Fact]
    public async Task Under_contention_the_bound_holds_and_every_place_comes_back()
    {
        const int Rounds = 5_000;
        var now = 0;
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            var endpoint = worker % 2 == 0 ? _one : _two;
            for (var round = 0; round < Rounds; round++)
            {
                using var cancellation = new CancellationTokenSource();
                var taking = _places.TakeAsync(endpoint, cancellation.Token);
                if (random.Next(4) == 0)
                {
                    await cancellation.CancelAsync();
                }

                if (!await taking)
                {
                    continue;
                }

                var count = Interlocked.Increment(ref now);
                InterlockedMax(ref most, count);
                if (random.Next(8) == 0)
                {
                    await Task.Yield();
                }

                Interlocked.Decrement(ref now);
                _places.Return(endpoint);
            }
        }))).InTimeAsync();
        Assert.InRange(most, 1, 2);
        Assert.Equal(0, _places.Count);
        Assert.Equal(0, _places.HeldCount);
        Assert.Equal(0, _one.Count + _two.Count);
    }

    private void Fill(EndpointPlaces endpoint)
    {
        while (_places.TryTake(endpoint))
        {
        }
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var before = Volatile.Read(ref most); before < value; before = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, before);
        }
    }
}
