using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Middleware;
using Peregrine.Server.Tests.Datagrams;
using Peregrine.Testing;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>Runs of datagram endpoints of which everything is known, by a clock that only the test moves, and every number that comes of them.</summary>
public sealed class ScriptedDatagramsTests
{
    private const int QueueLength = 16;

    private readonly FakeTimeProvider _clock = new();
    private TaskCompletionSource _gate = NewGate();

    [Fact]
    public async Task A_run_with_known_datagrams_and_drops_gives_exactly_the_expected_numbers()
    {
        await using var server = DatagramServer.Create(
            udp => udp.Run(HandleAsync), new() { ["Peregrine:Endpoints:test:Addresses:Deny:0"] = "192.0.2.0/24" }, _clock);
        using var meter = new RecordedMeter(server);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        var (received, bytes) = (0, 0);

        await SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveTextAsync());
        await SendAsync("lost", from: new DatagramAddress(0xC0000201, 1)); // 192.0.2.1
        await SendAsync("fail");
        await SendAsync("gone", from: new DatagramAddress(0x7F000001, 1)); // Nobody is there.

        // The network takes no more: what the queue does not hold is dropped, the rest goes out later.
        server.Datagrams.IsCongested = true;
        for (var i = 0; i < QueueLength + 4; i++)
        {
            await SendAsync("q");
        }

        server.Datagrams.IsCongested = false;
        for (var i = 0; i < QueueLength; i++)
        {
            Assert.Equal("q", await client.ReceiveTextAsync());
        }

        // The handler waits: what the receive buffer does not hold is dropped by it.
        await SendAsync("?");
        for (var i = 0; i < QueueLength + 5; i++)
        {
            client.Send("k"u8, server.AddressOf());
        }

        _gate.SetResult();
        (received, bytes) = (received + QueueLength, bytes + QueueLength);
        for (var i = 0; i < QueueLength; i++)
        {
            Assert.Equal("k", await client.ReceiveTextAsync());
        }

        // At the deadline of the stop, three are in the buffer, and two are not sent.
        _gate = NewGate();
        server.Datagrams.IsCongested = true;
        await SendAsync("n");
        await SendAsync("n");
        await SendAsync("?");
        for (var i = 0; i < 3; i++)
        {
            client.Send("late"u8, server.AddressOf());
        }

        (received, bytes) = (received + 3, bytes + 12);
        await AdvanceUntilAsync(server.StopAsync());

        Assert.Equal(received, Observed(meter, "datagrams.received"));
        Assert.Equal(bytes, Observed(meter, "datagrams.received.bytes"));
        Assert.Equal(1 + QueueLength + QueueLength, Observed(meter, "datagrams.sent"));
        Assert.Equal(5 + QueueLength + QueueLength, Observed(meter, "datagrams.sent.bytes"));
        Assert.Equal(
            [
                ("handler_failed", 1), ("receive_buffer_full", 5), ("rejected_address", 1), ("send_failed", 2), ("send_queue_full", 4), ("send_unreachable", 1),
                ("stopping", 3),
            ],
            Drops(meter));
        Assert.Empty(meter.Observe("peregrine.server.connections.active"));
        _gate.SetResult();

        async Task SendAsync(string text, DatagramAddress? from = null)
        {
            server.Datagrams.Send(Encoding.ASCII.GetBytes(text), from ?? client.Address, server.AddressOf());
            (received, bytes) = (received + 1, bytes + text.Length);
            await DatagramEndpointTests.UntilAsync(() => server.Counters().Received == received);
        }
    }

    [Fact]
    public async Task A_run_with_known_sessions_gives_exactly_the_expected_numbers()
    {
        var handled = new ConcurrentQueue<string>();
        await using var server = DatagramServer.Create(
            udp => udp.UseSessions(
                static options =>
                {
                    (options.MaxSessions, options.MaxSessionsPerAddress, options.QueueLength) = (3, 2, 2);
                    (options.DropPolicy, options.IdleTimeout) = (DatagramDropPolicy.DropNewest, TimeSpan.FromSeconds(5));
                    options.Admit = static request => request.Payload[0] == 'x' ? DatagramSessionAdmission.Refuse : DatagramSessionAdmission.AcceptUnvalidated;
                },
                session => PlayAsync(session, handled)),
            clock: _clock);
        using var meter = new RecordedMeter(server);
        await server.StartAsync();
        var clients = "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4".Split(' ')
            .Select(address => server.Datagrams.CreateClient(new IPEndPoint(IPAddress.Parse(address), 0))).ToList();
        var (first, sameAddress, third, second, other, last) = (clients[0], clients[1], clients[2], clients[3], clients[4], clients[5]);

        await HandledAsync(first, "begin");
        await HandledAsync(first, "big"); // The answer is more than three times what has come.
        await DroppedAsync(second, "x", DatagramDropReason.SessionRefused, 1);
        await HandledAsync(sameAddress, "begin");
        await DroppedAsync(third, "begin", DatagramDropReason.SessionLimitPerAddress, 1);
        await HandledAsync(second, "begin");
        Assert.Equal(3, Observed(meter, "sessions.active"));
        await HandledAsync(other, "begin"); // In the place of the first.
        await EndedAsync("evicted");
        await HandledAsync(sameAddress, "validate");
        await HandledAsync(second, "validate");
        await HandledAsync(other, "validate");
        await DroppedAsync(last, "begin", DatagramDropReason.SessionLimit, 1);
        await HandledAsync(second, "throw");
        await EndedAsync("handler_failed");
        await HandledAsync(sameAddress, "end");
        await EndedAsync("handler_completed");
        await HandledAsync(other, "hold");
        Send(other, "queued");
        Send(other, "queued");
        await DroppedAsync(other, "full", DatagramDropReason.SessionQueueFull, 1);
        await DroppedAsync(other, "full", DatagramDropReason.SessionQueueFull, 2);
        Assert.Equal(1, Observed(meter, "sessions.active"));
        _gate.SetResult();
        await DatagramEndpointTests.UntilAsync(() => handled.Count == 13); // What is queued is handled, too.
        for (var i = 0; i < 400 && EndsOf(meter).All(end => end.Reason != "idle"); i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await HandledAsync(last, "begin");
        Assert.Equal(1, Observed(meter, "sessions.active"));
        await AdvanceUntilAsync(server.StopAsync());

        Assert.Equal(5, meter.Recorded("peregrine.server.sessions.created").Sum(one => one.Value));
        Assert.All(meter.Recorded("peregrine.server.sessions.created"), one => Assert.Equal("test", Assert.Single(one.Tags).Value));
        Assert.Equal([("evicted", 1), ("handler_completed", 1), ("handler_failed", 1), ("idle", 1), ("stopping", 1)], EndsOf(meter));
        Assert.Equal(0, meter.Observe("peregrine.server.sessions.active").Sum(one => one.Value));
        Assert.Equal(
            [("amplification_limit", 1), ("session_limit", 1), ("session_limit_per_address", 1), ("session_queue_full", 2), ("session_refused", 1)], Drops(meter));
        Assert.Equal(19, Observed(meter, "datagrams.received"));
        Assert.Equal(14, handled.Count); // The rest is dropped, of what was received.
        Assert.Equal(0, Observed(meter, "datagrams.sent"));
        clients.ForEach(static client => client.Dispose());

        void Send(InMemoryDatagramClient from, string text) => from.Send(Encoding.ASCII.GetBytes(text), server.AddressOf());

        async Task HandledAsync(InMemoryDatagramClient from, string text)
        {
            var before = handled.Count;
            Send(from, text);
            await DatagramEndpointTests.UntilAsync(() => handled.Count == before + 1);
        }

        async Task DroppedAsync(InMemoryDatagramClient from, string text, DatagramDropReason reason, int count)
        {
            Send(from, text);
            await DatagramEndpointTests.UntilAsync(() => server.Counters().GetDropped(reason) == count);
        }

        Task EndedAsync(string reason) => DatagramEndpointTests.UntilAsync(() => EndsOf(meter).Contains((reason, 1)));
    }

    /// <summary>Echoes; "fail" makes it fail, "?" wait for the gate.</summary>
    private async ValueTask HandleAsync(DatagramBatch batch, DatagramSender sender)
    {
        switch (Encoding.ASCII.GetString(batch[0].Payload.Span))
        {
            case "fail":
                throw new InvalidOperationException("It was asked to.");
            case "?":
                await _gate.Task;
                break;
            default:
                await DatagramServer.EchoAsync(batch, sender);
                break;
        }
    }

    /// <summary>Does what the datagrams say.</summary>
    private async Task PlayAsync(DatagramSession session, ConcurrentQueue<string> handled)
    {
        await foreach (var datagram in session)
        {
            var text = Encoding.ASCII.GetString(datagram.Payload.Span);
            switch (text)
            {
                case "big":
                    session.TrySend(new byte[1000]);
                    break;
                case "validate":
                    session.Validate();
                    break;
            }

            handled.Enqueue(text);
            switch (text)
            {
                case "throw":
                    throw new InvalidOperationException("It was asked to.");
                case "end":
                    return;
                case "hold":
                    await _gate.Task;
                    break;
            }
        }
    }

    private async Task AdvanceUntilAsync(Task stop)
    {
        while (!stop.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await stop.InTimeAsync();
    }

    private static double Observed(RecordedMeter meter, string instrument)
    {
        var (value, tags) = Assert.Single(meter.Observe($"peregrine.server.{instrument}"));
        Assert.Equal("test", tags["peregrine.endpoint"]);
        return value;
    }

    private static IEnumerable<(string Reason, int Count)> Drops(RecordedMeter meter) => meter.Observe("peregrine.server.datagrams.dropped")
        .Select(static drop => ((string)drop.Tags["peregrine.drop.reason"]!, (int)drop.Value)).Order();

    private static IEnumerable<(string Reason, int Count)> EndsOf(RecordedMeter meter) => meter.Recorded("peregrine.server.sessions.ended")
        .GroupBy(static end => (string)end.Tags["peregrine.close.reason"]!).Select(static reason => (reason.Key, reason.Count())).Order();

    private static TaskCompletionSource NewGate() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
