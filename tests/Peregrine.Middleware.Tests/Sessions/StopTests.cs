using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class StopTests
{
    private readonly Handled _handled = new();

    [Fact]
    public async Task A_stop_tells_the_sessions_and_waits_until_they_have_read_what_is_queued()
    {
        var told = new TaskCompletionSource();
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, static options => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated);
        endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2), From(Peer(2), 3));
        var session = await _handled.SessionWithAsync(Peer(1));
        await using var registration = session.Stopping.Register(told.SetResult);
        var stopping = endpoint.StopAsync();
        await told.Task.Bounded();
        Assert.False(stopping.IsCompleted);
        Assert.Equal(DatagramSessionEndReason.Stopping, session.EndReason);
        Assert.True(session.TrySend([9]));
        endpoint.Receive(From(Peer(1), 1), From(Peer(5), 1));
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.Stopping));
        _handled.Open();
        await stopping.Bounded();
        Assert.Equal(3, _handled.Delivered);
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public async Task A_stop_without_sessions_is_over_at_once()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        await endpoint.StopAsync().Bounded();
        Assert.Empty(endpoint.Log.Entries);
    }

    [Fact]
    public async Task At_the_deadline_what_is_queued_is_dropped_and_the_handlers_left_are_told_of()
    {
        using var deadline = new CancellationTokenSource();
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync);
        endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2));
        var session = await _handled.SessionWithAsync(Peer(1));
        var stopping = endpoint.StopAsync(deadline.Token);
        Assert.False(stopping.IsCompleted);
        await deadline.CancelAsync();
        await stopping.Bounded();
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.Stopping));
        Assert.Equal(0, endpoint.Pool.Used);
        Assert.False(session.TrySend([1]));
        Assert.Contains("1 session handlers", Assert.Single(endpoint.Log.WithId(304, "Peregrine.Middleware.Sessions")).Message, StringComparison.Ordinal);
        _handled.Open();
        await endpoint.AssertEmptyAsync();
        Assert.Equal(0, _handled.Delivered);
    }

    [Fact]
    public async Task What_is_registered_to_be_told_may_throw()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 1));
        var session = await _handled.SessionWithAsync(Peer(1));
        await using var registration = session.Stopping.Register(static () => throw new FormatException());
        await endpoint.StopAsync().Bounded();
        Assert.Single(endpoint.Log.WithId(305, "Peregrine.Middleware.Sessions"));
    }
}
