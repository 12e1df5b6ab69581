using Microsoft.Extensions.Logging;
using Xunit.Abstractions;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class AdmissionTests(ITestOutputHelper output)
{
    private const int Seed = 20_261;

    private readonly Handled _handled = new();

    [Fact]
    public async Task A_peer_that_sends_its_cookie_back_begins_a_session_and_before_that_nothing_is_kept()
    {
        var cookies = new DatagramCookies();
        var endpoint = new SessionEndpoint(_handled.ReadAsync, options => options.Admit = request =>
        {
            if (cookies.IsValid(request.Payload, request.RemoteAddress))
            {
                return DatagramSessionAdmission.AcceptValidated;
            }

            Span<byte> cookie = stackalloc byte[DatagramCookies.SizeInBytes];
            cookies.TryWrite(cookie, request.RemoteAddress);
            request.TryAnswer(cookie);
            return DatagramSessionAdmission.Refuse;
        });
        endpoint.Receive(From(Peer(1), new byte[7]), From(Peer(2), new byte[6]));
        Assert.Equal(0, endpoint.Table.Count);
        Assert.Equal(0, endpoint.Pool.Allocated);
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.SessionRefused));
        Assert.Equal(1, endpoint.Dropped(DatagramDropReason.AmplificationLimit));
        var (path, answer) = Assert.Single(endpoint.Sender.Sent);
        Assert.Equal(Peer(1), path.RemoteAddress);
        endpoint.Receive(From(Peer(2), answer));
        Assert.Equal(0, endpoint.Table.Count);
        endpoint.Receive(From(Peer(1), answer));
        Assert.True((await _handled.SessionWithAsync(Peer(1))).IsValidated);
        Assert.Equal(1, endpoint.Table.Count);
    }

    [Fact]
    public void A_refusal_allocates_nothing()
    {
        var cookies = new DatagramCookies();
        var endpoint = new SessionEndpoint(_handled.ReadAsync, options => options.Admit = request =>
        {
            Span<byte> cookie = stackalloc byte[DatagramCookies.SizeInBytes];
            cookies.TryWrite(cookie, request.RemoteAddress);
            return cookies.IsValid(request.Payload, request.RemoteAddress) || !request.TryAnswer(cookie)
                ? DatagramSessionAdmission.AcceptValidated
                : DatagramSessionAdmission.Refuse;
        });
        endpoint.Sender.Discards = true;
        var batch = new DatagramBatch();
        batch.Add(From(Peer(1), new byte[100]));
        var middleware = endpoint.Delegate;
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                Assert.True(middleware(batch, endpoint.Sender).AsTask().IsCompleted);
            }
        }));
    }

    [Fact]
    public async Task A_peer_that_is_not_validated_is_sent_three_times_what_it_has_sent_and_no_byte_more()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), new byte[10]));
        var session = await _handled.SessionWithAsync(Peer(1));
        Assert.False(session.IsValidated);
        Assert.False(session.TrySend(new byte[31]));
        Assert.True(session.TrySend(new byte[29]));
        Assert.False(await session.SendAsync(new byte[2]));
        Assert.True(session.TrySend([]));
        Assert.True(await session.SendAsync(new byte[1]));
        Assert.False(session.TrySend([1]));
        endpoint.Receive(From(Peer(1)));
        Assert.False(session.TrySend([1]));
        endpoint.Receive(From(Peer(1), 1));
        Assert.False(session.TrySend(new byte[4]));
        Assert.True(session.TrySend(new byte[3]));
        Assert.Equal(33, endpoint.Sender.BytesTo(Peer(1)));
        Assert.Equal(5, endpoint.Dropped(DatagramDropReason.AmplificationLimit));
        session.Validate();
        Assert.True(session.IsValidated);
        Assert.True(session.TrySend(new byte[1000]));
    }

    [Fact]
    public async Task What_was_answered_before_the_session_counts()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options => options.Admit = static request =>
        {
            Assert.True(request.TryAnswer(new byte[20]));
            Assert.False(request.TryAnswer(new byte[11]));
            return DatagramSessionAdmission.AcceptUnvalidated;
        });
        endpoint.Receive(From(Peer(1), new byte[10]));
        var session = await _handled.SessionWithAsync(Peer(1));
        Assert.False(session.TrySend(new byte[11]));
        Assert.True(session.TrySend(new byte[10]));
    }

    [Fact]
    public async Task What_a_full_queue_drops_was_received_all_the_same()
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, static options => options.QueueLength = 1);
        endpoint.Receive(From(Peer(1), new byte[10]), From(Peer(1), new byte[10]));
        Assert.True((await _handled.SessionWithAsync(Peer(1))).TrySend(new byte[60]));
    }

    [Fact]
    public async Task A_callback_that_fails_refuses_its_datagram_only_and_is_logged_once_a_minute()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, static options => options.Admit = static request =>
            request.Payload[0] == 1 ? DatagramSessionAdmission.AcceptUnvalidated : (DatagramSessionAdmission)7);
        endpoint.Receive(From(Peer(1)), From(Peer(2)), From(Peer(3), 7), From(Peer(4), 1));
        Assert.Equal(3, endpoint.Dropped(DatagramDropReason.SessionRefused));
        await _handled.SessionWithAsync(Peer(4));
        var entry = Assert.Single(endpoint.Log.Entries);
        Assert.Equal((LogLevel.Error, 302), (entry.Level, entry.Id));
        Assert.Contains("Admit", entry.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ten_thousand_requests_are_answered_with_three_times_their_bytes_at_most()
    {
        // A hostile mixture: cookies that fit and do not, sessions that send as much as they are let, places that are lost and taken again, datagrams of no bytes.
        var random = new Random(Seed);
        var cookies = new DatagramCookies();
        var endpoint = new SessionEndpoint(
            async session =>
            {
                await foreach (var datagram in session)
                {
                    while (session.TrySend([.. datagram.Payload.Span, 1]) || session.TryAnswer([1]))
                    {
                    }
                }
            },
            options =>
            {
                options.MaxSessions = 20;
                options.Admit = request =>
                {
                    Span<byte> cookie = stackalloc byte[DatagramCookies.SizeInBytes];
                    cookies.TryWrite(cookie, request.RemoteAddress);
                    while (request.Payload.Length % 3 != 0 && request.TryAnswer(cookie))
                    {
                    }

                    return request.Payload.Length % 2 == 0 ? DatagramSessionAdmission.AcceptUnvalidated : DatagramSessionAdmission.Refuse;
                };
            });
        var received = new long[50];
        var payload = new byte[200];
        for (var i = 0; i < 10_000; i++)
        {
            var (peer, size) = (random.Next(received.Length), random.Next(10) == 0 ? 0 : random.Next(payload.Length));
            received[peer] += size;
            endpoint.Receive(new Datagram(payload.AsMemory(0, size), new DatagramPath(Peer(peer))));
            if (i % 100 == 0)
            {
                endpoint.Beat(1);
            }
        }

        await endpoint.StopAsync().Bounded();
        var sent = endpoint.Sender.Sent.ToLookup(static sent => sent.Path.RemoteAddress);
        output.WriteLine($"{endpoint.Sender.Sent.Count} answers; the most to an address is {Enumerable.Range(0, received.Length)
            .Max(peer => sent[Peer(peer)].Sum(static sent => (double)sent.Payload.Length) / received[peer]):F4} times its bytes");
        Assert.True(endpoint.Sender.Sent.Count > 10_000);
        for (var peer = 0; peer < received.Length; peer++)
        {
            Assert.True(sent[Peer(peer)].Sum(static sent => (long)sent.Payload.Length) <= 3 * received[peer]);
        }
    }
}
