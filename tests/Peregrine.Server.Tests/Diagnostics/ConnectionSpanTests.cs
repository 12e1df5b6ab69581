using System.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Tests.Admin;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>The spans of connections. Listeners are the process's: each test looks at those of its own endpoint.</summary>
public sealed class ConnectionSpanTests
{
    private readonly string _endpoint = $"spans {Guid.NewGuid()}";

    [Fact]
    public async Task A_connection_has_a_span_from_its_accept_to_its_end_that_is_the_parent_of_its_handlers()
    {
        using var own = new ActivitySource($"Application {_endpoint}");
        using var spans = new RecordedSpans(ConnectionSpan.SourceName, own.Name);
        var served = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(async connection =>
        {
            await connection.Transport.Input.ReadAsync();
            Assert.Same(connection.Features.Get<IConnectionActivityFeature>()!.Activity, Activity.Current);
            using (own.StartActivity("child"))
            {
                await connection.Transport.Output.WriteAsync("hi"u8.ToArray());
            }

            using (await connection.BeginHandshakeAsync())
            {
            }

            await MessageAsync(connection);
            Assert.Same(connection.Features.Get<IConnectionActivityFeature>()!.Activity, Activity.Current);
            served.SetResult();
            await connection.CloseRequested().WhenFiredAsync();

            async Task MessageAsync(ConnectionContext connection)
            {
                using var message = connection.StartMessageActivity(own, "message");
                Assert.Same(message, Activity.Current);
                await Task.Yield();
            }
        });
        using var host = new Activity("host").Start(); // It is nobody's parent.
        var client = await server.ConnectAsync();
        await client.SendAsync("abc");
        await served.Task.InTimeAsync();
        await server.StopAsync();

        var span = await spans.OfAsync(_endpoint);
        Assert.Equal(($"connection {_endpoint}", ActivityKind.Server, ActivityStatusCode.Unset), (span.OperationName, span.Kind, span.Status));
        Assert.Equal(default, span.ParentSpanId);
        Assert.Equal(
            ["peregrine.accepted", "peregrine.handshake.begun", "peregrine.handshake.ended", "peregrine.close.requested", "peregrine.handler.ended"],
            span.Events.Select(one => one.Name));
        var tags = span.TagObjects.ToDictionary();
        Assert.Equal("tcp", tags["network.transport"]);
        Assert.Equal("127.0.0.1", tags["network.peer.address"]);
        Assert.Equal(((System.Net.IPEndPoint)server.Server.Endpoints[0].Addresses[0]).Port, tags["network.local.port"]);
        Assert.NotNull(tags["peregrine.connection.id"]);
        Assert.Equal("server_stopping", tags["peregrine.close.reason"]);
        Assert.Equal((3L, 2L), (tags["peregrine.connection.read.bytes"], tags["peregrine.connection.write.bytes"]));
        Assert.False(tags.ContainsKey("error.type"));

        Assert.Equal(span.SpanId, Assert.Single(spans.Named("child")).ParentSpanId);
        var message = Assert.Single(spans.Named("message"));
        Assert.Equal(default, message.ParentSpanId);
        Assert.NotEqual(span.TraceId, message.TraceId);
        Assert.Equal(span.SpanId, Assert.Single(message.Links).Context.SpanId);
    }

    [Fact]
    public async Task A_handler_that_fails_is_an_error_with_its_exception()
    {
        using var spans = new RecordedSpans(ConnectionSpan.SourceName);
        await using var server = await StartAsync(_ => throw new NotSupportedException("No."));
        await server.ConnectAsync();
        var span = await spans.OfAsync(_endpoint);
        Assert.Equal((ActivityStatusCode.Error, "No."), (span.Status, span.StatusDescription));
        Assert.Equal(typeof(NotSupportedException).FullName, span.GetTagItem("error.type"));
        Assert.Contains(span.Events, one => one.Name == "exception");
    }

    [Fact]
    public async Task A_connection_that_an_administrator_asks_to_end_is_no_error()
    {
        using var spans = new RecordedSpans(ConnectionSpan.SourceName);
        await using var server = await StartAsync(Handlers.EchoAsync);
        await server.ConnectAsync();
        var admin = PeregrineAdminTests.AdminOf(server);
        await PeregrineAdminTests.UntilAsync(() => admin.ListConnections(new()).Total == 1);
        Assert.True(admin.CloseConnection(admin.ListConnections(new()).Connections[0].Id));
        await server.StopAsync();
        var span = await spans.OfAsync(_endpoint);
        Assert.Equal("close_requested", span.GetTagItem("peregrine.close.reason"));
        Assert.Equal(ActivityStatusCode.Unset, span.Status);
    }

    [Fact]
    public async Task A_connection_that_the_sampler_leaves_out_has_no_span()
    {
        using var own = new ActivitySource($"Application {_endpoint}");
        using var spans = new RecordedSpans(_ => ActivitySamplingResult.None, ConnectionSpan.SourceName, own.Name);
        await using var server = await StartAsync(connection =>
        {
            Assert.Null(Activity.Current);
            Assert.Null(connection.Features.Get<IConnectionActivityFeature>());
            Assert.Null(connection.StartMessageActivity(own, "message"));
            return Task.CompletedTask;
        });
        await (await server.ConnectAsync()).ReceiveToEndAsync();
        Assert.Empty(server.Log.WithId(8));
        Assert.Empty(spans.All(_endpoint));
    }

    [Fact]
    public async Task A_span_that_is_only_passed_on_carries_nothing()
    {
        using var spans = new RecordedSpans(_ => ActivitySamplingResult.PropagationData, ConnectionSpan.SourceName);
        await using var server = await StartAsync(connection =>
        {
            Assert.NotNull(Activity.Current);
            return Task.CompletedTask;
        });
        await (await server.ConnectAsync()).ReceiveToEndAsync();
        await server.StopAsync();
        Assert.Empty(server.Log.WithId(8));
        var span = Assert.Single(spans.Named($"connection {_endpoint}"));
        Assert.Empty(span.Events);
        Assert.Null(span.GetTagItem("peregrine.close.reason"));
    }

    [Fact]
    public async Task A_listener_that_throws_harms_nobody()
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ConnectionSpan.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) => options.Name.EndsWith(_endpoint, StringComparison.Ordinal)
                ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStarted = activity => ThrowForOwn(activity),
            ActivityStopped = activity => ThrowForOwn(activity),
        };
        ActivitySource.AddActivityListener(listener);
        await using var server = await StartAsync(Handlers.EchoAsync);
        for (var i = 0; i < 2; i++)
        {
            var client = await server.ConnectAsync();
            await client.SendAsync("abc");
            Assert.Equal("abc", await client.ReceiveAsync(3));
            await client.Transport.Output.CompleteAsync();
            await client.ReceiveToEndAsync();
        }

        void ThrowForOwn(Activity activity)
        {
            if (activity.OperationName.EndsWith(_endpoint, StringComparison.Ordinal))
            {
                throw new InvalidOperationException("The collector is broken.");
            }
        }
    }

    [Fact]
    public async Task Nothing_is_allocated_when_nobody_listens()
    {
        using var own = new ActivitySource($"Application {_endpoint}");
        var handled = new TaskCompletionSource<ConnectionContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(async connection =>
        {
            handled.SetResult(connection);
            await connection.CloseRequested().WhenFiredAsync();
        });
        await server.ConnectAsync();
        var connection = await handled.Task.InTimeAsync();
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                Assert.Null(ConnectionSpan.Start(connection, _endpoint, "tcp", 0, TimeProvider.System));
                Assert.Null(connection.StartMessageActivity(own, "message"));
            }
        }));
    }

    private async Task<TestServer> StartAsync(ConnectionDelegate handler)
    {
        var server = new TestServer(builder => builder.Listen(_endpoint, "tcp://127.0.0.1:0", tcp => tcp.Run(connection => handler(connection))));
        await server.StartAsync();
        return server;
    }

    /// <summary>Keeps the spans that have ended.</summary>
    private sealed class RecordedSpans : IDisposable
    {
        private readonly List<Activity> _spans = [];
        private readonly ActivityListener _listener;

        public RecordedSpans(params string[] sources)
            : this(_ => ActivitySamplingResult.AllDataAndRecorded, sources)
        {
        }

        public RecordedSpans(Func<string, ActivitySamplingResult> sample, params string[] sources)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => sources.Contains(source.Name),
                Sample = (ref ActivityCreationOptions<ActivityContext> options) => sample(options.Name),
                ActivityStopped = activity =>
                {
                    lock (_spans)
                    {
                        _spans.Add(activity);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public List<Activity> Named(string name)
        {
            lock (_spans)
            {
                return _spans.FindAll(span => span.OperationName == name);
            }
        }

        public List<Activity> All(string endpoint) => Named($"connection {endpoint}");

        public async Task<Activity> OfAsync(string endpoint)
        {
            await Timeouts.SupervisedServer.UntilAsync(() => All(endpoint).Count > 0);
            return Assert.Single(All(endpoint));
        }

        public void Dispose() => _listener.Dispose();
    }
}
