using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class SessionTests
{
    private readonly Handled _handled = new();

    [Fact]
    public async Task A_session_gets_the_datagrams_of_its_peer_as_they_were_sent()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 1, 2), From(Peer(2), 9), From(Peer(1)), From(Peer(1), 3));
        endpoint.Receive(From(Peer(1), 4, 5, 6));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 5);
        Assert.Equal(2, endpoint.Table.Count);
        Assert.Equal([[1, 2], [], [3], [4, 5, 6]], _handled.Payloads.Where(static payload => !payload.SequenceEqual(new byte[] { 9 })));
        Assert.NotEqual((await _handled.SessionWithAsync(Peer(1))).Id, (await _handled.SessionWithAsync(Peer(2))).Id);
    }

    [Fact]
    public async Task A_datagram_keeps_its_path_its_marks_and_its_time()
    {
        var got = new TaskCompletionSource<Datagram>(TaskCreationOptions.RunContinuationsAsynchronously);
        var endpoint = new SessionEndpoint(async session =>
        {
            await foreach (var datagram in session)
            {
                got.SetResult(datagram);
            }
        });
        var sent = new Datagram(new byte[] { 1 }, new DatagramPath(Peer(1), Peer(2), 3), new DatagramMarks(Dscp: 46), timestamp: 17);
        endpoint.Receive(sent);
        var received = await got.Task.Bounded();
        Assert.Equal((sent.Path, sent.Marks, sent.Timestamp), (received.Path, received.Marks, received.Timestamp));
        Assert.Equal(sent.Path, (await SessionAsync(endpoint)).Path);
    }

    [Fact]
    public async Task The_memory_of_a_batch_can_be_used_again_at_once()
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync);
        var buffer = new byte[] { 1 };
        endpoint.Receive(new Datagram(buffer, new DatagramPath(Peer(1))));
        buffer[0] = 2;
        endpoint.Receive(new Datagram(buffer, new DatagramPath(Peer(1))));
        buffer[0] = 3;
        _handled.Open();
        await TestTimeout.UntilAsync(() => _handled.Delivered == 2);
        Assert.Equal([[1], [2]], _handled.Payloads);
    }

    [Fact]
    public async Task A_payload_is_valid_until_the_next_is_asked_for_also_when_the_session_ends()
    {
        var (first, done) = (new TaskCompletionSource(), new TaskCompletionSource());
        byte[] copy = [];
        var endpoint = new SessionEndpoint(async session =>
        {
            await foreach (var datagram in session)
            {
                first.SetResult();
                await done.Task;
                copy = datagram.Payload.ToArray();
            }
        });
        endpoint.Receive(From(Peer(1), 7));
        await first.Task.Bounded();
        endpoint.Receive(From(Peer(1), 8), From(Peer(1), 8));
        (await SessionAsync(endpoint)).Close();
        Assert.Equal(2, endpoint.Dropped(DatagramDropReason.SessionEnded));

        // What was dropped is used for others; what is being read is not.
        endpoint.Receive(From(Peer(2), 9), From(Peer(2), 9), From(Peer(2), 9));
        done.SetResult();
        await TestTimeout.UntilAsync(() => copy.Length > 0);
        Assert.Equal([7], copy);
    }

    [Fact]
    public async Task A_session_sends_to_its_peer()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, Validated);
        var path = new DatagramPath(Peer(1), Peer(2), 3);
        endpoint.Receive(new Datagram(new byte[] { 1 }, path));
        var session = await _handled.SessionWithAsync(Peer(1));
        Assert.True(session.TrySend([1, 2, 3]));
        var room = new TaskCompletionSource();
        endpoint.Sender.Room = room.Task;
        var sending = session.SendAsync(new byte[] { 4 }).AsTask();
        Assert.False(sending.IsCompleted);
        room.SetResult();
        Assert.True(await sending.Bounded());
        Assert.Equal([[1, 2, 3], [4]], endpoint.Sender.Sent.Select(static sent => sent.Payload));
        Assert.All(endpoint.Sender.Sent, sent => Assert.Equal(path, sent.Path));
        endpoint.Sender.IsFull = true;
        Assert.False(session.TrySend([1]));
    }

    [Fact]
    public async Task A_session_sends_by_the_socket_that_it_was_last_heard_on()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync);
        endpoint.Receive(From(Peer(1), 1));
        var session = await _handled.SessionWithAsync(Peer(1));
        var first = endpoint.Sender;
        endpoint.Sender = new RecordedSender();
        endpoint.Receive(From(Peer(1), 1));
        Assert.True(session.TrySend([2]));
        Assert.Empty(first.Sent);
        Assert.Single(endpoint.Sender.Sent);
    }

    [Fact]
    public async Task An_idle_session_ends_and_what_is_sent_to_it_does_not_keep_it()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, options => options.IdleTimeout = TimeSpan.FromSeconds(30));
        endpoint.Receive(From(Peer(1), 1), From(Peer(2), 1));
        var session = await _handled.SessionWithAsync(Peer(1));
        for (var second = 0; second < 29; second++)
        {
            endpoint.Beat(1);
            session.TrySend([1]);
            endpoint.Receive(From(Peer(2), 1));
        }

        Assert.Equal(2, endpoint.Table.Count);
        Assert.Null(session.EndReason);
        endpoint.Beat(1);
        Assert.Equal(1, endpoint.Table.Count);
        Assert.Equal(DatagramSessionEndReason.Idle, session.EndReason);
        await TestTimeout.UntilAsync(() => endpoint.Table.EndingCount == 0);
        endpoint.Beat(28.5);
        Assert.Equal(1, endpoint.Table.Count);
        endpoint.Beat(1.5);
        await endpoint.AssertEmptyAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(100_000)]
    public async Task An_idle_time_is_kept_however_long_it_is_and_however_late_the_beat(int seconds)
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, options => options.IdleTimeout = TimeSpan.FromSeconds(seconds));
        endpoint.Receive(From(Peer(1), 1));
        endpoint.Beat(seconds - 0.25);
        Assert.Equal(1, endpoint.Table.Count);
        endpoint.Receive(From(Peer(1), 1));
        endpoint.Beat(seconds - 0.25);
        Assert.Equal(1, endpoint.Table.Count);
        endpoint.Beat(1.25);
        Assert.Equal(0, endpoint.Table.Count);
        endpoint.Receive(From(Peer(1), 1));
        endpoint.Beat(50L * seconds);
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public async Task What_is_queued_when_a_session_is_idle_is_read_and_can_be_answered()
    {
        var endpoint = new SessionEndpoint(_handled.ReadLaterAsync, Validated);
        endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2));
        var session = await _handled.SessionWithAsync(Peer(1));
        endpoint.Beat(31);
        Assert.Equal(DatagramSessionEndReason.Idle, session.EndReason);
        Assert.True(session.TrySend([1]));
        _handled.Open();
        await endpoint.AssertEmptyAsync();
        Assert.Equal(2, _handled.Delivered);
        Assert.False(session.TrySend([1]));
        Assert.Equal(1, endpoint.Dropped(DatagramDropReason.SendFailed));
        Assert.Equal(DatagramSessionEndReason.Idle, session.EndReason);
    }

    [Fact]
    public async Task A_session_ends_with_its_handler_and_its_peer_can_begin_another()
    {
        var begun = 0;
        using var queued = new SemaphoreSlim(0);
        var endpoint = new SessionEndpoint(async session =>
        {
            Interlocked.Increment(ref begun);

            // One that ends between the two begins a session with the second.
            await queued.WaitAsync();
            await foreach (var datagram in session)
            {
                return;
            }
        });
        for (var i = 1; i <= 3; i++)
        {
            endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2));
            queued.Release();
            await endpoint.AssertEmptyAsync();
            Assert.Equal(i, begun);
        }

        Assert.Equal(3, endpoint.Dropped(DatagramDropReason.SessionEnded));
    }

    [Fact]
    public async Task A_handler_that_fails_costs_its_session_and_is_logged_once_a_minute()
    {
        var endpoint = new SessionEndpoint(session =>
            session.RemoteAddress == Peer(1) ? _handled.ReadAsync(session) : throw new FormatException("It is odd."));
        endpoint.Receive(From(Peer(1), 1), From(Peer(2), 1), From(Peer(3), 1));
        await TestTimeout.UntilAsync(() => endpoint.Table is { Count: 1, EndingCount: 0 });
        endpoint.Receive(From(Peer(1), 2));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 2);
        Assert.Equal(LogLevel.Error, Assert.Single(endpoint.Log.WithId(301, "Peregrine.Middleware.Sessions")).Level);
        endpoint.Beat(61);
        endpoint.Receive(From(Peer(4), 1));
        await TestTimeout.UntilAsync(() => endpoint.Log.WithId(301, "Peregrine.Middleware.Sessions").Count == 2);
        Assert.Contains("1 more have", endpoint.Log.WithId(301, "Peregrine.Middleware.Sessions")[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancellation_after_the_end_is_expected_and_one_before_is_a_failure()
    {
        var ended = new TaskCompletionSource();
        var endpoint = new SessionEndpoint(async session =>
        {
            if (session.RemoteAddress == Peer(1))
            {
                await ended.Task;
            }

            throw new OperationCanceledException();
        });
        endpoint.Receive(From(Peer(1), 1));
        (await SessionAsync(endpoint)).Close();
        ended.SetResult();
        await endpoint.AssertEmptyAsync();
        Assert.Equal(LogLevel.Debug, Assert.Single(endpoint.Log.Entries).Level);
        endpoint.Receive(From(Peer(2), 1));
        await endpoint.AssertEmptyAsync();
        Assert.Equal([300, 301], endpoint.Log.Entries.Select(static entry => entry.Id));
    }

    [Fact]
    public async Task A_log_that_throws_stops_nothing()
    {
        var endpoint = new SessionEndpoint(static _ => throw new FormatException(), static options => options.MaxSessionsPerAddress = 1);
        endpoint.Log.Throws = true;
        endpoint.Receive(From(Peer(1), 1), From(Peer(1, port: 2), 1), From(Peer(1, port: 3), 1));
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public async Task Close_ends_the_enumeration_and_nothing_more_is_sent()
    {
        var endpoint = new SessionEndpoint(_handled.ReadAsync, Validated);
        endpoint.Receive(From(Peer(1), 1));
        var session = await _handled.SessionWithAsync(Peer(1));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 1);
        session.Close();
        session.Close();
        Assert.Equal(DatagramSessionEndReason.Closed, session.EndReason);
        Assert.False(session.TrySend([1]));
        Assert.False(await session.SendAsync(new byte[] { 1 }));
        Assert.Empty(endpoint.Sender.Sent);
        await endpoint.AssertEmptyAsync();
    }

    [Fact]
    public async Task An_enumeration_can_be_left_and_begun_again_but_there_is_one_at_a_time()
    {
        var endpoint = new SessionEndpoint(async session =>
        {
            await foreach (var datagram in session)
            {
                Assert.Equal(1, datagram.Payload.Span[0]);
                Assert.Throws<InvalidOperationException>(() => session.GetAsyncEnumerator());
                break;
            }

            Assert.Throws<InvalidOperationException>(() => session.TryAnswer([1]));
            await _handled.ReadAsync(session);
        });
        endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 1);
        Assert.Equal([[2]], _handled.Payloads);
        Assert.Empty(endpoint.Log.Entries);
    }

    [Fact]
    public async Task A_cancelled_enumeration_throws_and_loses_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        var cancelled = new TaskCompletionSource();
        var endpoint = new SessionEndpoint(async session =>
        {
            try
            {
                await foreach (var datagram in session.WithCancellation(cancellation.Token))
                {
                }
            }
            catch (OperationCanceledException)
            {
                cancelled.SetResult();
            }

            await _handled.ReadAsync(session);
        });
        endpoint.Receive(From(Peer(1), 1));
        await TestTimeout.UntilAsync(() => endpoint.Pool.Used == 0);
        await cancellation.CancelAsync();
        await cancelled.Task.Bounded();
        endpoint.Receive(From(Peer(1), 2));
        await TestTimeout.UntilAsync(() => _handled.Delivered == 1);
        Assert.Equal([[2]], _handled.Payloads);
    }

    [Fact]
    public async Task What_was_asked_for_when_the_handler_returned_ends()
    {
        Task<bool>? asked = null;
        var endpoint = new SessionEndpoint(async session =>
        {
            var enumerator = session.GetAsyncEnumerator();
            await enumerator.MoveNextAsync();
            asked = enumerator.MoveNextAsync().AsTask();
            await Assert.ThrowsAsync<InvalidOperationException>(() => enumerator.MoveNextAsync().AsTask());
            await Assert.ThrowsAsync<InvalidOperationException>(() => enumerator.DisposeAsync().AsTask());
        });
        endpoint.Receive(From(Peer(1), 1));
        await endpoint.AssertEmptyAsync();
        Assert.False(await asked!.Bounded());
        Assert.Empty(endpoint.Log.Entries);
    }

    [Fact]
    public async Task What_a_handler_was_at_when_it_returned_is_given_back()
    {
        var endpoint = new SessionEndpoint(async session => Assert.True(await session.GetAsyncEnumerator().MoveNextAsync()));
        endpoint.Receive(From(Peer(1), 1));
        await endpoint.AssertEmptyAsync();
        Assert.Empty(endpoint.Log.Entries);
    }

    [Fact]
    public async Task A_handler_class_is_an_instance_of_each_session_and_is_disposed_with_it()
    {
        var seen = new Seen();
        var builder = new Builder(new ServiceCollection().AddSingleton(seen).BuildServiceProvider());
        builder.UseSessions<CountingHandler>();
        Assert.NotNull(builder.Beat);
        var batch = new DatagramBatch();
        batch.Add(From(Peer(1), 1));
        batch.Add(From(Peer(2), 1));
        await builder.Delegate!(batch, new RecordedSender());
        await builder.Drain!(CancellationToken.None).Bounded();
        Assert.Equal(2, seen.Made);
        Assert.Equal(2, seen.Disposed);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_by_name()
    {
        Refused(nameof(DatagramSessionOptions.MaxSessions), static options => options.MaxSessions = 0);
        Refused(nameof(DatagramSessionOptions.MaxSessionsPerAddress), static options => options.MaxSessionsPerAddress = 0);
        Refused(nameof(DatagramSessionOptions.IdleTimeout), static options => options.IdleTimeout = TimeSpan.FromMilliseconds(999));
        Refused(nameof(DatagramSessionOptions.IdleTimeout), static options => options.IdleTimeout = Timeout.InfiniteTimeSpan);
        Refused(nameof(DatagramSessionOptions.QueueLength), static options => options.QueueLength = 0);
        Refused(nameof(DatagramSessionOptions.MaxQueuedBytesPerSession), static options => options.MaxQueuedBytesPerSession = 65_727);
        Refused(nameof(DatagramSessionOptions.MaxQueuedBytes), static options => options.MaxQueuedBytes = options.MaxQueuedBytesPerSession - 1);
        Refused(nameof(DatagramSessionOptions.DropPolicy), static options => options.DropPolicy = (DatagramDropPolicy)2);

        static void Refused(string name, Action<DatagramSessionOptions> configure)
        {
            var builder = new Builder(new ServiceCollection().BuildServiceProvider());
            var problem = Assert.Throws<InvalidOperationException>(() => builder.UseSessions(configure, static _ => Task.CompletedTask));
            Assert.Contains(name, problem.Message, StringComparison.Ordinal);
        }
    }

    private static void Validated(DatagramSessionOptions options) => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated;

    private static async Task<DatagramSession> SessionAsync(SessionEndpoint endpoint)
    {
        DatagramSession? session = null;
        await TestTimeout.UntilAsync(() => (session = endpoint.Table.Find(Middleware.Sessions.SessionKey.Of(Peer(1)))) is not null);
        return session!;
    }

    private sealed class Seen
    {
        public int Made;
        public int Disposed;
    }

    private sealed class CountingHandler : DatagramSessionHandler, IDisposable
    {
        private readonly Seen _seen;

        public CountingHandler(Seen seen)
        {
            _seen = seen;
            Interlocked.Increment(ref seen.Made);
        }

        public override async Task OnSessionAsync(DatagramSession session)
        {
            await foreach (var datagram in session)
            {
            }
        }

        public void Dispose() => Interlocked.Increment(ref _seen.Disposed);
    }

    private sealed class Builder(IServiceProvider services) : IDatagramBuilder
    {
        public IServiceProvider ApplicationServices => services;

        public string EndpointName => "game";

        public DatagramCounters Counters { get; } = new();

        public DatagramDelegate? Delegate { get; private set; }

        public Action? Beat { get; private set; }

        public Func<CancellationToken, Task>? Drain { get; private set; }

        public IDatagramBuilder Use(Func<DatagramDelegate, DatagramDelegate> middleware)
        {
            Delegate = middleware(static (_, _) => default);
            return this;
        }

        public IDatagramBuilder OnHeartbeat(Action beat)
        {
            Beat = beat;
            return this;
        }

        public IDatagramBuilder OnStopping(Func<CancellationToken, Task> drain)
        {
            Drain = drain;
            return this;
        }

        public DatagramDelegate Build() => Delegate!;
    }
}
