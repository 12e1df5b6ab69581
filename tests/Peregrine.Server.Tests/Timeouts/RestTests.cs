using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests.Timeouts;

/// <summary>A connection on which nothing goes on is not looked at, and timed from the moment on at which something does.</summary>
public sealed class RestTests
{
    // More than one stretch of the walk, so that those that leave change places across them.
    private const int Many = 1_300;

    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task What_begins_after_a_rest_is_timed_as_ever()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                await _go.Task;
                await connection.Transport.Output.WriteAsync(new byte[200_000]);
            },
            (":Timeouts:WriteProgress", "00:00:04"), (":Timeouts:Idle", "00:00:00"));
        var (_, handled) = await server.ConnectPairAsync();
        server.Pass(100); // It rests, for seconds at a time: at most one of these beats is its last look.
        server.IsNotEnded();
        _go.SetResult();
        await SupervisedServer.WaitsForPeerAfterAsync(0, handled);
        server.Pass(1);
        await server.EndsAfterAsync(4, ConnectionCloseReason.WriteTimeout);
    }

    [Fact]
    public async Task A_timeout_that_is_set_in_a_rest_ends_it()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:Idle", "00:00:00"));
        var (client, handled) = await server.ConnectPairAsync();
        await client.SendAsync("once");
        Assert.Equal("once", await client.ReceiveAsync(4));
        await SupervisedServer.WaitsForMoreThanAsync(4, handled);
        server.Pass(3); // From its last bytes on, and then it rests.
        handled.Features.Get<IConnectionTimeoutFeature>()!.Idle = TimeSpan.FromSeconds(5);
        await server.EndsAfterAsync(3, ConnectionCloseReason.IdleTimeout);
    }

    [Fact]
    public async Task A_handshake_that_begins_in_a_rest_has_its_time()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                await _go.Task;
                using (await connection.BeginHandshakeAsync())
                {
                    await connection.Transport.Input.ReadAsync();
                }
            },
            (":Timeouts:Handshake", "00:00:03"), (":Timeouts:Idle", "00:00:00"));
        var (_, handled) = await server.ConnectPairAsync();
        server.Pass(20);
        _go.SetResult();
        await SupervisedServer.UntilAsync(() => handled.Features.Get<IConnectionHandshakeFeature>()!.IsInHandshake);
        await server.EndsAfterAsync(3, ConnectionCloseReason.HandshakeTimeout);
    }

    [Fact]
    public async Task Every_connection_of_many_is_ended_in_the_beat_in_which_its_time_is_over()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:Idle", "00:00:20"), ("Limits:MaxConnectionsPerAddress", "10000"));
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < Many; i++)
        {
            clients.Add(await server.Inner.ConnectAsync());
        }

        await SupervisedServer.UntilAsync(() => server.Inner.Server.Endpoints[0].Connections == Many);
        server.Pass(10);

        // Places are taken by others.
        for (var i = 0; i < Many; i += 3)
        {
            clients[i].Transport.Output.Complete();
        }

        var left = Many - ((Many + 2) / 3);
        await SupervisedServer.UntilAsync(() => server.Inner.Server.Endpoints[0].Connections == left);
        server.Pass(9);
        server.IsNotEnded();
        server.Pass(1);
        await SupervisedServer.UntilAsync(() => server.Log.WithId(SupervisedServer.Refused).Count == left); // The beat gives its thread up in between.
    }

    [Fact]
    public void A_rest_ends_with_its_time_and_with_any_activity()
    {
        var buffers = new Buffers { ActivityStamp = 7 };
        var rest = new Rest(7, now: uint.MaxValue - 999, quietTime: 3_000);
        Assert.True(rest.Lasts);
        Assert.True(rest.Covers(uint.MaxValue - 999, buffers));
        Assert.True(rest.Covers(1_999, buffers)); // The clock wraps around.
        Assert.False(rest.Covers(2_000, buffers));
        buffers.ActivityStamp = 8;
        Assert.False(rest.Covers(1_000, buffers));
        buffers.ActivityStamp = null;
        Assert.False(rest.Covers(1_000, buffers));
        Assert.False(default(Rest).Covers(0, new Buffers { ActivityStamp = 0 }));
        Assert.False(new Rest(7, now: 0, quietTime: 0).Lasts);
        Assert.False(new Rest(7, now: 0, quietTime: uint.MaxValue).Covers(8_000, new Buffers { ActivityStamp = 7 }));
    }

    private sealed class Buffers : IConnectionBufferFeature
    {
        public long UnreadBytes => 0;

        public long UnreadMemoryInBytes => 0;

        public long UnsentBytes => 0;

        public long? UnacknowledgedBytes => null;

        public long? AcknowledgedBytes => null;

        public long? UnreceivedBytes => null;

        public bool IsReadPending => false;

        public bool IsSendPending => false;

        public uint? ActivityStamp { get; set; }

        public IUnsentBytesLimit? UnsentBytesLimit { get; set; }
    }
}
