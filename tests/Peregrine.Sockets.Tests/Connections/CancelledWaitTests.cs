using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Tests.Simulation;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>A read that is cancelled leaves its wait armed, and what that brings is kept for the next one.</summary>
public sealed class CancelledWaitTests : IDisposable
{
    private readonly SimulatedNetwork _network = new(1);
    private readonly LeakCheckingMemoryPool _pool = new();

    public void Dispose() => _pool.Dispose();

    [Fact]
    public async Task What_it_has_brought_counts_as_received_and_unread()
    {
        var (server, client) = await ConnectWithCancelledReadAsync();
        var stamp = server.ActivityStamp;
        Send(client);

        // Or the peer would be taken for one that has sent nothing, while it is the application that does not read.
        var received = server.BytesReceived;
        Assert.InRange(received, 1, 300);
        Assert.Equal(received, server.UnreadBytes);
        Assert.InRange(server.UnreadMemoryInBytes, received, 4_096);
        Assert.NotEqual(stamp, server.ActivityStamp);

        Assert.True(server.Input.TryRead(out var read));
        Assert.Equal(received, read.Buffer.Length);
        Assert.Equal(received, server.BytesReceived);
        Assert.Equal(received, server.UnreadBytes);
        server.Input.AdvanceTo(read.Buffer.End);
        Assert.Equal((0, 0), (server.UnreadBytes, server.UnreadMemoryInBytes));
        server.Abort();
        client.Abort();
    }

    [Fact]
    public async Task What_a_reader_that_is_completed_gave_back_is_not_unread()
    {
        var (server, client) = await ConnectWithCancelledReadAsync();
        Send(client);
        server.Input.Complete();
        Assert.Equal((0, 0), (server.UnreadBytes, server.UnreadMemoryInBytes));
        _pool.AssertAllReturned();
        server.Abort();
        client.Abort();
    }

    private async Task<SimulatedPair> ConnectWithCancelledReadAsync()
    {
        var pair = SimulatedPair.Connect(_network, _pool, blockSizeInBytes: 512, capacity: 1_000);
        var reading = pair.Server.Input.ReadAsync().AsTask();
        pair.Server.Input.CancelPendingRead();
        _network.RunUntilComplete(reading);
        Assert.True((await reading).IsCanceled);
        return pair;
    }

    private void Send(StreamConnection<SimulatedStreamSocket> client)
    {
        _network.RunUntilComplete(client.Output.WriteAsync(new byte[300]).AsTask());
        while (_network.Step())
        {
        }
    }
}
