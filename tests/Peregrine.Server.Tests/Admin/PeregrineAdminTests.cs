using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Features;
using Peregrine.Server.Admin;

namespace Peregrine.Server.Tests.Admin;

public sealed class PeregrineAdminTests
{
    private const int Ended = 10;

    [Fact]
    public async Task A_connection_is_listed_with_what_it_has_done()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        var client = await server.ConnectAsync();
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));

        // The handler has answered before it is done with what it has read.
        await UntilAsync(() => AdminOf(server).ListConnections(new()).Connections[0].UnreadBytes == 0);
        var page = AdminOf(server).ListConnections(new ConnectionQuery { Endpoint = "TEST" });
        var connection = Assert.Single(page.Connections);
        Assert.Equal(1, page.Total);
        Assert.Equal("test", connection.Endpoint);
        Assert.Equal(5, connection.BytesReceived);
        Assert.Equal(5, connection.BytesSent);
        Assert.Equal(0, connection.UnreadBytes);
        Assert.Equal(0, connection.UnsentBytes);
        Assert.Equal(ConnectionStage.Handling, connection.Stage);
        Assert.Equal(ConnectionCloseReason.None, connection.CloseReason);
        Assert.False(connection.IsCloseRequested);
        Assert.InRange(connection.Age, TimeSpan.Zero, TestServer.Limit);
        Assert.InRange(connection.Quiet!.Value, TimeSpan.Zero, TestServer.Limit);
        Assert.Null(connection.Tcp);
        Assert.Null(connection.Tls);
        Assert.Equal(connection.Id, AdminOf(server).FindConnection(connection.Id)!.Id);
        Assert.Null(AdminOf(server).FindConnection("nobody"));
        Assert.Empty(AdminOf(server).ListConnections(new ConnectionQuery { Endpoint = "other" }).Connections);
    }

    [Fact]
    public async Task Connections_are_listed_in_the_order_that_was_asked_for_in_pages()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        int[] sizes = [3, 1, 5, 2, 4];
        foreach (var size in sizes)
        {
            var client = await server.ConnectAsync();
            await client.SendAsync(new string('x', size));
            await client.ReceiveAsync(size);
        }

        var query = new ConnectionQuery { Order = ConnectionOrder.Bytes, Take = 2 };
        Assert.Equal([5L, 4], Bytes(query));
        Assert.Equal([3L, 2], Bytes(query with { Skip = 2 }));
        Assert.Equal([1L], Bytes(query with { Skip = 4 }));
        Assert.Empty(Bytes(query with { Skip = 5 }));
        Assert.Equal([3L, 1, 5, 2, 4], Bytes(new ConnectionQuery { Order = ConnectionOrder.Age }));
        Assert.Equal(5, AdminOf(server).ListConnections(query with { Skip = 4 }).Total);
        Assert.Throws<ArgumentOutOfRangeException>(() => query with { Take = ConnectionQuery.MaxTake + 1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => query with { Skip = -1 });

        IEnumerable<long?> Bytes(ConnectionQuery query) => AdminOf(server).ListConnections(query).Connections.Select(connection => connection.BytesReceived);
    }

    [Fact]
    public async Task Every_connection_that_stays_is_listed_once_while_others_come_and_go()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        for (var i = 0; i < 2_000; i++)
        {
            await server.ConnectAsync();
        }

        await UntilAsync(() => server.Server.Endpoints[0].Connections == 2_000);
        using var over = new CancellationTokenSource();
        var others = Task.Run(async () =>
        {
            for (var i = 0; !over.IsCancellationRequested; i++)
            {
                var client = await server.Transport.ConnectAsync(server.Server.Endpoints[0].Addresses[0]);
                await client.Transport.Output.CompleteAsync();
                await client.DisposeAsync();
            }
        });

        for (var round = 0; round < 20; round++)
        {
            // The oldest are those that stay.
            var listed = new List<string>();
            for (var skip = 0; skip < 2_000; skip += ConnectionQuery.MaxTake)
            {
                listed.AddRange(AdminOf(server).ListConnections(new ConnectionQuery { Skip = skip, Take = ConnectionQuery.MaxTake }).Connections.Select(found => found.Id));
            }

            Assert.Equal(2_000, listed.Count);
            Assert.Equal(2_000, listed.Distinct().Count());
        }

        await over.CancelAsync();
        await others.InTimeAsync();
    }

    [Fact]
    public async Task A_connection_that_is_closed_ends_alone_and_says_why()
    {
        await using var server = await TestServer.StartAsync(async connection =>
        {
            await connection.CloseRequested().WhenFiredAsync();
            await connection.Transport.Output.WriteAsync("bye"u8.ToArray());
        });
        var closed = await server.ConnectAsync();
        var other = await server.ConnectAsync();
        await UntilAsync(() => server.Server.Endpoints[0].Connections == 2);
        var oldest = AdminOf(server).ListConnections(new ConnectionQuery()).Connections[0];

        Assert.True(AdminOf(server).CloseConnection(oldest.Id));
        AdminOf(server).CloseConnection(oldest.Id); // Whoever is impatient asks twice.
        Assert.Equal("bye", await closed.ReceiveToEndAsync());
        await closed.Transport.Output.CompleteAsync();
        await server.Server.Endpoints[0].WaitForConnectionsAsync(1).InTimeAsync();
        Assert.Contains($"{oldest.Id} ended (CloseRequested)", Assert.Single(server.Log.WithId(Ended)).Message, StringComparison.Ordinal);
        Assert.False(AdminOf(server).CloseConnection(oldest.Id));
        Assert.False(Assert.Single(AdminOf(server).ListConnections(new ConnectionQuery()).Connections).IsCloseRequested);

        // Those that the stop ends are told from it.
        var stopping = server.StopAsync();
        Assert.Equal("bye", await other.ReceiveToEndAsync());
        await other.Transport.Output.CompleteAsync();
        await stopping;
        Assert.Contains("ended (ServerStopping)", server.Log.WithId(Ended)[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_is_aborted_is_reset_though_its_handler_does_not_look()
    {
        await using var server = await TestServer.StartAsync(async connection => await connection.Transport.Input.ReadAsync());
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        var id = AdminOf(server).ListConnections(new ConnectionQuery()).Connections[0].Id;
        Assert.True(AdminOf(server).AbortConnection(id));
        await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        await server.Server.Endpoints[0].WaitForConnectionsAsync(0).InTimeAsync();
        Assert.Contains($"{id} ended (Aborted)", Assert.Single(server.Log.WithId(Ended)).Message, StringComparison.Ordinal);
        Assert.False(AdminOf(server).AbortConnection(id));
    }

    [Fact]
    public async Task Before_the_start_and_after_the_stop_there_is_nothing_to_list()
    {
        await using var server = new TestServer(
            builder => builder.Endpoint("test", tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { ["Peregrine:Endpoints:test:Url"] = "tcp://127.0.0.1:0" });
        Assert.Equal(0, AdminOf(server).ListConnections(new ConnectionQuery()).Total);
        await server.StartAsync();
        await server.ConnectAsync();
        await UntilAsync(() => AdminOf(server).ListConnections(new ConnectionQuery()).Total == 1);
        await server.StopAsync();
        Assert.Equal(0, AdminOf(server).ListConnections(new ConnectionQuery()).Total);
    }

    internal static PeregrineAdmin AdminOf(TestServer server) => server.Host.Services.GetRequiredService<PeregrineAdmin>();

    internal static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; !condition(); i++)
        {
            Assert.True(i < 6_000, string.Create(CultureInfo.InvariantCulture, $"It did not come to it in {i} looks."));
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }
}
