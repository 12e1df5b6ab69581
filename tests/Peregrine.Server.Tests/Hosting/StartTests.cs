using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Tests.Hosting;

public sealed class StartTests
{
    private const int Listening = 1;

    [Fact]
    public async Task Port_0_is_replaced_by_the_real_port_in_the_log_and_for_the_application()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)));
        Assert.Empty(server.Server.Endpoints);
        await server.StartAsync();
        var endpoint = Assert.Single(server.Server.Endpoints);
        Assert.Equal("tcp://127.0.0.1:0", endpoint.Url);
        var address = Assert.IsType<IPEndPoint>(Assert.Single(endpoint.Addresses));
        Assert.NotEqual(0, address.Port);
        Assert.Contains($"tcp://{address} ", Assert.Single(server.Log.WithId(Listening)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Localhost_is_both_loopback_addresses()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://localhost:7000", tcp => tcp.Run(Handlers.EchoAsync)));
        await server.StartAsync();
        foreach (var address in server.Server.Endpoints[0].Addresses)
        {
            var client = await server.ConnectAsync(address);
            await client.SendAsync("hello");
            Assert.Equal("hello", await client.ReceiveAsync(5));
        }

        Assert.Equal(2, server.Server.Endpoints[0].Addresses.Count);
    }

    [Fact]
    public async Task Handlers_come_from_dependency_injection_and_middleware_runs_in_order()
    {
        var calls = new List<string>();
        await using var server = new TestServer(
            builder => builder.Listen("tcp://127.0.0.1:0", tcp =>
            {
                tcp.Use(next => async connection =>
                {
                    calls.Add("before");
                    await next(connection);
                    calls.Add("after");
                });
                tcp.UseConnectionHandler<InjectedHandler>();
            }),
            services: services => services.AddSingleton(calls));
        await server.StartAsync();
        var client = await server.ConnectAsync();
        Assert.Equal("injected", await client.ReceiveToEndAsync());
        await server.StopAsync();
        Assert.Equal(["before", "handler", "after"], calls);
    }

    [Fact]
    public async Task Configuration_wins_over_code()
    {
        await using var server = new TestServer(
            builder => builder.Endpoint("Echo", tcp => tcp.Run(Handlers.EchoAsync)).Configure(options => options.ShutdownTimeout = TimeSpan.FromSeconds(1)),
            new Dictionary<string, string?>
            {
                ["Peregrine:ShutdownTimeout"] = "00:01:00",
                ["peregrine:endpoints:echo:url"] = "tcp://127.0.0.1:7100",
                ["Peregrine:Endpoints:echo:Backlog"] = "16",
                ["Peregrine:Endpoints:echo:Scheduling"] = "inline",
                ["Peregrine:Endpoints:echo:Socket:NoDelay"] = "false",
            });
        await server.StartAsync();
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7100), server.Server.Endpoints[0].Addresses[0]);
        var settings = server.Host.Services.GetRequiredService<ServerSettings>();
        Assert.Equal(TimeSpan.FromMinutes(1), settings.ReadOptions().ShutdownTimeout);
        var options = Assert.Single(settings.ReadEndpoints()).Options;
        Assert.Equal(16, options.Backlog);
        Assert.Equal(ConnectionScheduling.Inline, options.Scheduling);
        Assert.False(options.Socket.NoDelay);
    }

    [Fact]
    public async Task Without_configuration_the_options_of_code_hold()
    {
        await using var server = new TestServer(builder => builder.Listen(
            "tcp://127.0.0.1:0",
            options =>
            {
                options.Backlog = 7;
                options.Socket.NoDelay = false;
            },
            tcp => tcp.Run(Handlers.EchoAsync)));
        var options = Assert.Single(server.Host.Services.GetRequiredService<ServerSettings>().ReadEndpoints()).Options;
        Assert.Equal(7, options.Backlog);
        Assert.False(options.Socket.NoDelay);
        await server.StartAsync();
    }

    [Fact]
    public async Task AddPeregrine_twice_is_one_server()
    {
        await using var server = new TestServer(
            builder => builder.Listen("tcp://127.0.0.1:7001", tcp => tcp.Run(Handlers.EchoAsync)),
            services: services => services.AddPeregrine(builder => builder.Listen("tcp://127.0.0.1:7002", tcp => tcp.Run(Handlers.EchoAsync))));
        await server.StartAsync();
        Assert.Equal(2, server.Server.Endpoints.Count);
    }

    [Theory]
    [InlineData("Peregrine:Endpoints:echo:Bcklog", "1", "Peregrine:Endpoints:echo:Bcklog", "Backlog")]
    [InlineData("Peregrine:Endpoints:echo:Socket:Delay", "1", "Peregrine:Endpoints:echo:Socket:Delay", "NoDelay")]
    [InlineData("Peregrine:Endpoint:echo:Url", "tcp://*:1", "Peregrine:Endpoint", "Endpoints")]
    [InlineData("Peregrine:Endpoints:echo:Backlog", "0", "Peregrine:Endpoints:echo:Backlog", "0")]
    [InlineData("Peregrine:Endpoints:echo:Backlog", "many", "Peregrine:Endpoints:echo:Backlog", "many")]
    [InlineData("Peregrine:Endpoints:echo:Listeners", "0", "Peregrine:Endpoints:echo:Listeners = \"0\"", "from 1 to 1024")]
    [InlineData("Peregrine:Endpoints:echo:AcceptSlots", "1025", "Peregrine:Endpoints:echo:AcceptSlots = \"1025\"", "from 1 to 1024")]
    [InlineData("Peregrine:Endpoints:echo:MaxUnreadBytes", "0", "Peregrine:Endpoints:echo:MaxUnreadBytes", "1048576")]
    [InlineData("Peregrine:Endpoints:echo:Scheduling", "Sometimes", "Peregrine:Endpoints:echo:Scheduling", "ThreadPool, Inline or EventLoop")]
    [InlineData("Peregrine:Endpoints:echo:Scheduling", "1", "Peregrine:Endpoints:echo:Scheduling", "ThreadPool, Inline or EventLoop")]
    [InlineData("Peregrine:Endpoints:echo:Socket:NoDelay", "yes", "Peregrine:Endpoints:echo:Socket:NoDelay", "yes")]
    [InlineData("Peregrine:Endpoints:echo:Socket:KeepAlive:Tme", "00:01:00", "Peregrine:Endpoints:echo:Socket:KeepAlive:Tme", "Interval")]
    [InlineData("Peregrine:Endpoints:echo:Socket:KeepAlive", "true", "Peregrine:Endpoints:echo:Socket:KeepAlive", "section")]
    [InlineData("Peregrine:Endpoints:echo:Socket:KeepAlive:Time", "60", "Peregrine:Endpoints:echo:Socket:KeepAlive:Time = \"60\"", "00:00:01")]
    [InlineData("Peregrine:Endpoints:echo:Socket:KeepAlive:Interval", "00:00:00", "Peregrine:Endpoints:echo:Socket:KeepAlive:Interval = \"00:00:00\"", "09:06:07")]
    [InlineData("Peregrine:Endpoints:echo:Socket:KeepAlive:Count", "128", "Peregrine:Endpoints:echo:Socket:KeepAlive:Count = \"128\"", "127")]
    [InlineData("Peregrine:Endpoints:echo:Socket:ReceiveBufferSizeInBytes", "0", "Peregrine:Endpoints:echo:Socket:ReceiveBufferSizeInBytes = \"0\"", "1073741823")]
    [InlineData("Peregrine:Endpoints:echo:Socket:SendBufferSizeInBytes", "64K", "Peregrine:Endpoints:echo:Socket:SendBufferSizeInBytes = \"64K\"", "1073741823")]
    [InlineData("Peregrine:Endpoints:echo:Socket:Linger", "00:00:02", "Peregrine:Endpoints:echo:Socket:Linger = \"00:00:02\"", "00:00:00")]
    [InlineData("Peregrine:Endpoints:echo:Socket:UserTimeout", "25.00:00:00", "Peregrine:Endpoints:echo:Socket:UserTimeout = \"25.00:00:00\"", "24.20:31:23.647")]
    [InlineData("Peregrine:Endpoints:echo:Socket:UnsentLowWatermarkInBytes", "-1", "Peregrine:Endpoints:echo:Socket:UnsentLowWatermarkInBytes = \"-1\"", "16384")]
    [InlineData("Peregrine:Endpoints:echo:Socket:Dscp", "64", "Peregrine:Endpoints:echo:Socket:Dscp = \"64\"", "from 0 to 63")]
    [InlineData("Peregrine:Endpoints:echo:Socket:IPv6Only", "1", "Peregrine:Endpoints:echo:Socket:IPv6Only = \"1\"", "true or false")]
    [InlineData("Peregrine:Endpoints:echo:Socket:Device", "sixteen-bytes-xx", "Peregrine:Endpoints:echo:Socket:Device = \"sixteen-bytes-xx\"", "15 bytes")]
    [InlineData("Peregrine:Endpoints:echo:Socket:FastOpenQueueLength", "-1", "Peregrine:Endpoints:echo:Socket:FastOpenQueueLength = \"-1\"", "from 0")]
    [InlineData("Peregrine:Endpoints:echo:Url", "tcp//127.0.0.1:80", "Peregrine:Endpoints:echo:Url", "tcp//127.0.0.1:80")]
    [InlineData("Peregrine", "y", "Peregrine", "section")]
    [InlineData("Peregrine:Endpoints", "x", "Peregrine:Endpoints", "section")]
    [InlineData("Peregrine:Endpoints:echo", "tcp://127.0.0.1:9000", "Peregrine:Endpoints:echo", "section")]
    [InlineData("Peregrine:Endpoints:echo:Socket", "garbage", "Peregrine:Endpoints:echo:Socket", "section")]
    [InlineData("Peregrine:Endpoints:echo:Backlog:Max", "5", "Peregrine:Endpoints:echo:Backlog:Max", "a number from 1")]
    [InlineData("Peregrine:Endpoints:echo:Url:Port", "5", "Peregrine:Endpoints:echo:Url:Port", "tcp://host:port")]
    [InlineData("Peregrine:Endpoints:echo:Url", "", "Peregrine:Endpoints:echo:Url", "missing")]
    [InlineData("Peregrine:Endpoints:ecko:Url", "tcp://*:1", "Peregrine:Endpoints:ecko", "\"echo\"")]
    [InlineData("Peregrine:ShutdownTimeout", "-00:00:01", "Peregrine:ShutdownTimeout", "00:00:25")]
    [InlineData("Peregrine:ShutdownTimeout", "25", "Peregrine:ShutdownTimeout", "\"25\"")]
    [InlineData("Peregrine:ShutdownTimeout", "1", "Peregrine:ShutdownTimeout", "00:00:25")]
    [InlineData("Peregrine:ShutdownTimeout", "24:00:01", "Peregrine:ShutdownTimeout", "00:00:25")]
    [InlineData("Peregrine:ShutdownTimeout", "soon", "Peregrine:ShutdownTimeout", "soon")]
    public async Task A_wrong_setting_is_named_with_its_remedy(string key, string value, string setting, string remedy)
    {
        var configuration = new Dictionary<string, string?> { ["Peregrine:Endpoints:echo:Url"] = "tcp://127.0.0.1:7000", [key] = value };
        await using var server = new TestServer(builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)), configuration);
        var failure = await server.StartAndFailAsync();
        Assert.Contains(setting, failure.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_without_an_endpoint_is_named()
    {
        await using var server = new TestServer(builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)));
        Assert.Contains("Peregrine:Endpoints:echo:Url is missing", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_endpoints_does_not_start()
    {
        await using var server = new TestServer(_ => { });
        Assert.Contains(".Listen(", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_endpoints_of_one_name_are_refused()
    {
        await using var server = new TestServer(builder => builder
            .Listen("tcp://127.0.0.1:7000", tcp => tcp.Run(Handlers.EchoAsync))
            .Listen("tcp://127.0.0.1:7000", tcp => tcp.Run(Handlers.EchoAsync)));
        Assert.Contains("tcp://127.0.0.1:7000", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipeline_that_cannot_be_built_is_named()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://127.0.0.1:7000", _ => throw new InvalidOperationException("No certificate.")));
        var message = (await server.StartAndFailAsync()).Message;
        Assert.Contains("tcp://127.0.0.1:7000", message, StringComparison.Ordinal);
        Assert.Contains("No certificate.", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endpoint_whose_pipeline_is_empty_is_named()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://127.0.0.1:7000", _ => { }));
        Assert.Contains("\"tcp://127.0.0.1:7000\" has no handler", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_middleware_without_a_handler_behind_it_fails_visibly()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://127.0.0.1:0", tcp => tcp.Use(next => connection => next(connection))));
        await server.StartAsync();
        Assert.Equal("", await (await server.ConnectAsync()).ReceiveToEndAsync());
        await server.StopAsync();
        Assert.Contains("no handler at its end", Assert.Single(server.Log.WithId(8)).Exception!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_of_code_that_throw_are_one_clear_line()
    {
        await using var server = new TestServer(builder => builder
            .Listen("tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync))
            .Configure(_ => throw new InvalidOperationException("No such option.")));
        Assert.Contains("No such option.", (await server.StartAndFailAsync()).Message, StringComparison.Ordinal);

        await using var other = new TestServer(builder => builder
            .Listen("tcp://127.0.0.1:0", _ => throw new InvalidOperationException("No such option."), tcp => tcp.Run(Handlers.EchoAsync)));
        Assert.Contains("tcp://127.0.0.1:0", (await other.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_option_of_code_that_is_out_of_range_names_the_endpoint()
    {
        await using var server = new TestServer(builder => builder.Listen("tcp://127.0.0.1:0", options => options.Backlog = 0, tcp => tcp.Run(Handlers.EchoAsync)));
        var message = (await server.StartAndFailAsync()).Message;
        Assert.Contains("Endpoint \"tcp://127.0.0.1:0\" (in code):Backlog", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_configuration_moves_a_named_endpoint_of_code()
    {
        await using var server = new TestServer(
            builder => builder.Listen("first", "tcp://127.0.0.1:7000", tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { ["Peregrine:Endpoints:first:Url"] = "tcp://127.0.0.1:7001" });
        await server.StartAsync();
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7001), server.Server.Endpoints[0].Addresses[0]);
    }

    [Theory]
    [InlineData("[::1]:7000", "127.0.0.1:7000")]
    [InlineData("127.0.0.1:7000", "[::1]:7000")]
    public async Task A_family_that_the_machine_lacks_does_not_keep_localhost_from_starting(string lacking, string left)
    {
        await using var server = new TestServer(
            builder => builder.Listen("tcp://localhost:7000", tcp => tcp.Run(Handlers.EchoAsync)),
            transport: inner => new RefusingTransport(SocketError.AddressNotAvailable, IPEndPoint.Parse(lacking), inner));
        await server.StartAsync();
        Assert.Equal(left, Assert.Single(server.Server.Endpoints[0].Addresses).ToString());
    }

    [Fact]
    public async Task All_endpoints_are_bound_or_none()
    {
        await using var server = new TestServer(builder => builder
            .Listen("tcp://127.0.0.1:7001", tcp => tcp.Run(Handlers.EchoAsync))
            .Listen("tcp://localhost:7002", tcp => tcp.Run(Handlers.EchoAsync))
            .Listen("tcp://127.0.0.1:7003", tcp => tcp.Run(Handlers.EchoAsync)));
        await using (await server.Transport.BindAsync(new IPEndPoint(IPAddress.IPv6Loopback, 7002)))
        {
            var failure = await server.StartAndFailAsync();
            Assert.Contains("[::1]:7002", failure.Message, StringComparison.Ordinal);
            Assert.Contains("in use", failure.Message, StringComparison.Ordinal);
            Assert.Empty(server.Server.Endpoints);
        }

        // Whatever was bound before the failure is free again, and nothing was bound after it.
        foreach (var port in new[] { 7001, 7002, 7003 })
        {
            await (await server.Transport.BindAsync(new IPEndPoint(IPAddress.Loopback, port))).DisposeAsync();
        }

        Assert.Empty(server.Log.WithId(Listening));
    }

    [Theory]
    [InlineData(SocketError.AccessDenied, 80, "CAP_NET_BIND_SERVICE")]
    [InlineData(SocketError.AccessDenied, 8080, "permission")]
    [InlineData(SocketError.AddressNotAvailable, 8080, "not an address of this machine")]
    [InlineData(SocketError.AddressFamilyNotSupported, 8080, "no InterNetwork")]
    [InlineData(SocketError.NoBufferSpaceAvailable, 8080, "NoBufferSpaceAvailable")]
    public async Task An_error_of_the_system_is_explained(SocketError error, int port, string expected)
    {
        await using var server = new TestServer(
            builder => builder.Listen($"tcp://127.0.0.1:{port}", tcp => tcp.Run(Handlers.EchoAsync)), transport: _ => new RefusingTransport(error));
        var failure = await server.StartAndFailAsync();
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains($"tcp://127.0.0.1:{port}", failure.Message, StringComparison.Ordinal);
    }

    private sealed class InjectedHandler(List<string> calls) : ConnectionHandler
    {
        public override Task OnConnectedAsync(ConnectionContext connection)
        {
            calls.Add("handler");
            return connection.SendAsync("injected");
        }
    }

    /// <summary>Refuses one address, or all.</summary>
    private sealed class RefusingTransport(SocketError error, EndPoint? refused = null, IConnectionListenerFactory? inner = null) : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            inner is not null && !endpoint.Equals(refused) ? inner.BindAsync(endpoint, cancellationToken) : throw new SocketException((int)error);
    }
}
