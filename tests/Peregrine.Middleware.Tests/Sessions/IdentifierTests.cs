using Microsoft.Extensions.Logging;
using Peregrine.Middleware.Sessions;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class IdentifierTests
{
    private readonly Handled _handled = new();

    [Fact]
    public async Task Datagrams_with_an_identifier_are_of_one_session_wherever_they_come_from()
    {
        var endpoint = Endpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 7, 1), From(Peer(2), 7, 2), From(Peer(1), 8, 3));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 3);
        Assert.Equal(2, endpoint.Table.Count);
        var session = endpoint.Table.Find(SessionKey.Of([7]))!;
        Assert.Equal(Peer(1), session.RemoteAddress);
        session.TrySend([1]);
        Assert.Equal(Peer(1), Assert.Single(endpoint.Sender.Sent).Path.RemoteAddress);
    }

    [Fact]
    public async Task What_comes_from_another_address_earns_the_peer_nothing()
    {
        var endpoint = Endpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 7), From(Peer(2), 7, 0, 0, 0, 0));
        var session = await _handled.SessionWithAsync(Peer(1));
        Assert.False(session.TrySend(new byte[4]));
        Assert.True(session.TrySend(new byte[3]));
    }

    [Fact]
    public async Task An_answer_goes_where_the_datagram_came_from_and_is_bounded_for_each()
    {
        var answered = new TaskCompletionSource();
        var endpoint = Endpoint(async session =>
        {
            session.Validate();
            await foreach (var datagram in session)
            {
                if (datagram.RemoteAddress == Peer(2))
                {
                    Assert.True(session.TryAnswer(new byte[5]));
                    Assert.False(session.TryAnswer(new byte[2]));
                    Assert.True(session.TryAnswer(new byte[1]));
                    answered.TrySetResult();
                }
                else
                {
                    Assert.True(session.TryAnswer(new byte[100]));
                }
            }
        });
        endpoint.Receive(From(Peer(1), 7), From(Peer(2), 7, 0));
        await answered.Task.Bounded();
        Assert.Equal((100, 6), (endpoint.Sender.BytesTo(Peer(1)), endpoint.Sender.BytesTo(Peer(2))));
        Assert.Empty(endpoint.Log.Entries);
    }

    [Fact]
    public async Task What_was_answered_before_a_datagram_joins_a_session_counts_also_where_another_loop_began_it()
    {
        var answered = new TaskCompletionSource();
        SessionEndpoint? endpoint = null;
        endpoint = Endpoint(
            async session =>
            {
                await foreach (var datagram in session)
                {
                    if (datagram.RemoteAddress == Peer(2))
                    {
                        Assert.False(session.TryAnswer(new byte[2]));
                        Assert.True(session.TryAnswer(new byte[1]));
                        answered.TrySetResult();
                    }
                }
            },
            options => options.Admit = request =>
            {
                if (request.RemoteAddress == Peer(2))
                {
                    Assert.True(request.TryAnswer(new byte[5]));

                    // Meanwhile, on another receive loop.
                    endpoint!.Receive(From(Peer(1), 7));
                }

                return DatagramSessionAdmission.AcceptUnvalidated;
            });
        endpoint.Receive(From(Peer(2), 7, 0));
        await answered.Task.Bounded();
        Assert.Equal(6, endpoint.Sender.BytesTo(Peer(2)));
    }

    [Fact]
    public async Task A_session_moves_when_the_application_says_so_and_is_validated_then()
    {
        var endpoint = Endpoint(_handled.ReadAsync, static options => options.MaxSessionsPerAddress = 1);
        endpoint.Receive(From(Peer(1), 7), From(Peer(2), 8));
        var (session, other) = (await _handled.SessionWithAsync(Peer(1)), await _handled.SessionWithAsync(Peer(2)));
        other.Validate();
        Assert.False(session.TryMoveTo(new DatagramPath(Peer(2))));
        Assert.Equal((Peer(1), false), (session.RemoteAddress, session.IsValidated));
        Assert.True(session.TryMoveTo(new DatagramPath(Peer(3), Peer(9))));
        Assert.Equal((new DatagramPath(Peer(3), Peer(9)), true), (session.Path, session.IsValidated));
        Assert.True(session.TryMoveTo(new DatagramPath(Peer(3, port: 2))));
        Assert.True(session.TrySend(new byte[100]));
        Assert.Equal(Peer(3, port: 2), Assert.Single(endpoint.Sender.Sent).Path.RemoteAddress);

        // Its place at the old address is free, that at the new one is not.
        endpoint.Receive(From(Peer(1), 10), From(Peer(3), 11));
        Assert.Equal(3, endpoint.Table.Count);
        Assert.Equal(1, endpoint.Dropped(DatagramDropReason.SessionLimitPerAddress));
        session.Close();
        Assert.False(session.TryMoveTo(new DatagramPath(Peer(4))));
        endpoint.Receive(From(Peer(3), 11));
        Assert.Equal(3, endpoint.Table.Count);

        // Who may be forged makes room for who is there.
        var forged = endpoint.Table.Find(SessionKey.Of([11]))!;
        Assert.True(other.TryMoveTo(new DatagramPath(Peer(3))));
        Assert.Equal(DatagramSessionEndReason.Evicted, forged.EndReason);
        Assert.Equal(2, endpoint.Table.Count);
    }

    [Fact]
    public async Task A_session_of_an_address_cannot_move()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 1));
        var session = await _handled.SessionWithAsync(Peer(1));
        Assert.Throws<InvalidOperationException>(() => session.TryMoveTo(new DatagramPath(Peer(2))));
    }

    [Fact]
    public async Task A_selector_that_throws_or_returns_what_is_no_identifier_refuses_its_datagram_only()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options => options.KeySelector = static (in datagram) =>
            datagram.Payload.Span[0] == 0 ? throw new FormatException() : datagram.Payload.Span[1..]);
        endpoint.Receive(From(Peer(1)), From(Peer(2), 0), From(Peer(3), 1), From(Peer(4), new byte[22].Select(static _ => (byte)1).ToArray()));
        Assert.Equal(0, endpoint.Table.Count);
        Assert.Equal(4, endpoint.Dropped(DatagramDropReason.SessionRefused));
        endpoint.Receive(From(Peer(5), new byte[21].Select(static _ => (byte)1).ToArray()), From(Peer(6), 1, 1));
        Assert.Equal(2, endpoint.Table.Count);
        await _handled.SessionWithAsync(Peer(5));
        var entry = Assert.Single(endpoint.Log.Entries);
        Assert.Equal((LogLevel.Error, 302), (entry.Level, entry.Id));
        Assert.Contains("KeySelector", entry.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Zeros_at_the_end_of_an_identifier_belong_to_it()
    {
        var keys = Enumerable.Range(1, SessionKey.MaxIdentifierSize).Select(static size => SessionKey.Of(new byte[size])).ToHashSet();
        Assert.Equal(SessionKey.MaxIdentifierSize, keys.Count);
    }

    private static SessionEndpoint Endpoint(Func<DatagramSession, Task> handler, Action<DatagramSessionOptions>? configure = null) => new(handler, options =>
    {
        options.KeySelector = static (in datagram) => datagram.Payload.Span[..1];
        configure?.Invoke(options);
    });
}
