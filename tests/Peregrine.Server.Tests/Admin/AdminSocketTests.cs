using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Peregrine.Server.Admin.Protocol;
using static Peregrine.Server.Tests.Admin.PeregrineAdminTests;

namespace Peregrine.Server.Tests.Admin;

/// <summary>The admin socket, spoken to by hand.</summary>
public sealed class AdminSocketTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("peregrine-");

    private string SocketPath => Path.Combine(_folder.FullName, "admin.sock");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task It_is_off_unless_it_is_enabled()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        Assert.Empty(_folder.GetFileSystemInfos());
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Message.Contains("Administered", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_file_is_the_owners_alone_and_gone_with_the_server()
    {
        await using (await StartAsync(Handlers.EchoAsync))
        {
            Assert.True(!OperatingSystem.IsWindows() && File.GetUnixFileMode(SocketPath) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        }

        Assert.False(Path.Exists(SocketPath));
    }

    [Fact]
    public async Task The_server_and_its_connections_are_told()
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        var client = await server.ConnectAsync();
        await client.SendAsync("hello");
        await client.ReceiveAsync(5);
        using var tool = await AdminClient.ConnectAsync(SocketPath);

        var about = await tool.AskAsync("""{"version":1,"id":7,"request":"server"}""");
        Assert.Equal(1, (int)about["version"]!);
        Assert.Equal(7, (int)about["id"]!);
        Assert.Equal("Running", (string?)about["server"]!["state"]);
        Assert.Equal(Environment.ProcessId, (int)about["server"]!["processId"]!);
        var endpoint = Assert.Single(about["server"]!["endpoints"]!.AsArray())!;
        Assert.Equal("test", (string?)endpoint["name"]);
        Assert.Equal(1, (int)endpoint["handling"]!);
        Assert.False((bool)endpoint["isSuspended"]!);

        var page = await tool.AskAsync("""{"id":8,"request":"connections","order":"bytes","take":10}""");
        Assert.Equal(1, (int)page["connections"]!["total"]!);
        var connection = Assert.Single(page["connections"]!["page"]!.AsArray())!;
        Assert.Equal(5, (long)connection["bytesReceived"]!);
        Assert.Equal("Handling", (string?)connection["stage"]);

        var one = await tool.AskAsync($$"""{"id":9,"request":"connection","connection":"{{(string?)connection["id"]}}"}""");
        Assert.Equal(5, (long)one["connection"]!["bytesSent"]!);
    }

    [Fact]
    public async Task What_is_asked_for_is_done()
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        using var tool = await AdminClient.ConnectAsync(SocketPath);

        AssertDone(await tool.AskAsync("""{"request":"suspend","endpoint":"Test"}"""));
        Assert.True(server.Server.Endpoints[0].IsSuspended);
        AssertDone(await tool.AskAsync("""{"request":"resume","endpoint":"test"}"""));
        Assert.False(server.Server.Endpoints[0].IsSuspended);

        AssertDone(await tool.AskAsync("""{"request":"set","settings":{"Limits:MaxConnections":"3"}}"""));
        Assert.Equal(3, server.Server.Admission!.Places.Max);
        var about = await tool.AskAsync("""{"request":"server"}""");
        Assert.Equal("3", (string?)about["server"]!["changedSettings"]!["Limits:MaxConnections"]);

        var id = AdminOf(server).ListConnections(new()).Connections[0].Id;
        AssertDone(await tool.AskAsync($$"""{"request":"close","connection":"{{id}}"}"""));
        Assert.Equal("", await client.ReceiveToEndAsync());
        await client.Transport.Output.CompleteAsync();

        var reset = await server.ConnectAsync();
        await UntilAsync(() => server.Server.Endpoints[0].Connections == 1 && AdminOf(server).ListConnections(new()).Connections[0].Id != id);
        id = AdminOf(server).ListConnections(new()).Connections[0].Id;
        AssertDone(await tool.AskAsync($$"""{"request":"abort","connection":"{{id}}"}"""));
        await Assert.ThrowsAsync<ConnectionResetException>(() => reset.ReceiveToEndAsync());
    }

    [Theory]
    [InlineData("", "bad_request")]
    [InlineData("nonsense", "bad_request")]
    [InlineData("null", "bad_request")]
    [InlineData("[]", "bad_request")]
    [InlineData("{}", "bad_request")]
    [InlineData("""{"request":"explode"}""", "bad_request")]
    [InlineData("""{"request":7}""", "bad_request")]
    [InlineData("""{"request":"server","request":"server"}""", "bad_request")]
    [InlineData("""{"request":"connections","take":1001}""", "bad_request")]
    [InlineData("""{"request":"connections","take":0}""", "bad_request")]
    [InlineData("""{"request":"connections","skip":-1}""", "bad_request")]
    [InlineData("""{"request":"connections","skip":99999999999}""", "bad_request")]
    [InlineData("""{"request":"connections","order":"5000"}""", "bad_request")]
    [InlineData("""{"version":2,"request":"server"}""", "version")]
    [InlineData("""{"request":"close"}""", "bad_request")]
    [InlineData("""{"request":"close","connection":"\ud800"}""", "bad_request")]
    [InlineData("""{"request":{"request":{"request":{"request":{"request":{"request":{"request":{"request":{}}}}}}}}}""", "bad_request")]
    [InlineData("""{"request":"close","connection":"nobody"}""", "not_found")]
    [InlineData("""{"request":"connection","connection":"nobody"}""", "not_found")]
    [InlineData("""{"request":"suspend","endpoint":"nowhere"}""", "not_found")]
    [InlineData("""{"request":"suspend"}""", "not_found")]
    [InlineData("""{"request":"set"}""", "bad_request")]
    [InlineData("""{"request":"set","settings":{"Limits:MaxConnections":"none"}}""", "refused")]
    [InlineData("""{"request":"set","settings":{"Limits:MaxConnections":3}}""", "bad_request")]
    public async Task A_wrong_request_is_answered_and_the_next_is_served(string request, string code)
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        using var tool = await AdminClient.ConnectAsync(SocketPath);
        var answer = await tool.AskAsync(request);
        Assert.Equal(code, (string?)answer["error"]!["code"]);
        Assert.NotEqual("", (string?)answer["error"]!["message"]);
        Assert.NotNull((await tool.AskAsync("""{"request":"server"}"""))["server"]);
    }

    [Fact]
    public async Task A_line_that_does_not_end_ends_the_connection_and_no_other()
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        using var tool = await AdminClient.ConnectAsync(SocketPath);
        using var other = await AdminClient.ConnectAsync(SocketPath);
        await tool.SendAsync(new string('x', AdminProtocol.MaxRequestBytes + 1));
        Assert.Equal("too_long", (string?)(await tool.ReceiveAsync())!["error"]!["code"]);
        Assert.Null(await tool.ReceiveAsync());
        Assert.NotNull((await other.AskAsync("""{"request":"server"}"""))["server"]);

        // The longest that may be: what is behind the object is space.
        using var longest = await AdminClient.ConnectAsync(SocketPath);
        Assert.NotNull((await longest.AskAsync("""{"request":"server"}""".PadRight(AdminProtocol.MaxRequestBytes)))["server"]);
    }

    [Fact]
    public async Task Requests_that_come_together_or_in_pieces_are_answered_in_their_order()
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        using var tool = await AdminClient.ConnectAsync(SocketPath);
        var lines = string.Concat(Enumerable.Range(0, 50).Select(i => $$"""{"id":{{i}},"request":"server"}""" + "\n"));
        await tool.SendAsync(lines[..^30]);
        await tool.SendAsync(lines[^30..]);
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(i, (int)(await tool.ReceiveAsync())!["id"]!);
        }
    }

    [Fact]
    public async Task More_tools_than_there_are_places_for_are_told_so()
    {
        await using var server = await StartAsync(Handlers.EchoAsync);
        var tools = new List<AdminClient>();
        for (var i = 0; i < 8; i++)
        {
            tools.Add(await AdminClient.ConnectAsync(SocketPath));
            await tools[i].AskAsync("""{"request":"server"}""");
        }

        using (var more = await AdminClient.ConnectAsync(SocketPath))
        {
            Assert.Equal("busy", (string?)(await more.ReceiveAsync())!["error"]!["code"]);
            Assert.Null(await more.ReceiveAsync());
        }

        tools.ForEach(tool => tool.Dispose());
        for (var served = false; !served;)
        {
            using var later = await AdminClient.ConnectAsync(SocketPath);
            try
            {
                served = (await later.AskAsync("""{"request":"server"}""")).ContainsKey("server");
            }
            catch (SocketException)
            {
                // It was sent away before it had asked.
            }
        }
    }

    [Fact]
    public async Task A_drain_can_be_watched_to_its_end()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(_ => goOn.Task);
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        using var tool = await AdminClient.ConnectAsync(SocketPath);
        var stopping = server.StopAsync();
        JsonNode about;
        do
        {
            about = (await tool.AskAsync("""{"request":"server"}"""))["server"]!;
        }
        while ((string?)about["state"] != "Stopping");
        Assert.Equal(1, (int)about["endpoints"]![0]!["handling"]!);

        // Also for who comes now.
        using var late = await AdminClient.ConnectAsync(SocketPath);
        Assert.NotNull((await late.AskAsync("""{"request":"connections"}"""))["connections"]);
        goOn.SetResult();
        await client.ReceiveToEndAsync();
        await client.Transport.Output.CompleteAsync();
        await stopping;
        while (await tool.ReceiveAsync() is not null)
        {
        }

        Assert.False(Path.Exists(SocketPath));
    }

    [Fact]
    public async Task A_stale_socket_is_replaced_and_a_live_one_or_a_file_is_left_alone()
    {
        using (var gone = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            gone.Bind(new UnixDomainSocketEndPoint(SocketPath + ".bound"));
            gone.Listen();
            File.Move(SocketPath + ".bound", SocketPath);
        }

        await using (var first = await StartAsync(Handlers.EchoAsync))
        {
            var problem = (await Create(Handlers.EchoAsync, SocketPath).StartAndFailAsync()).Message;
            Assert.Contains($"Peregrine:Admin:Socket = \"{SocketPath}\"", problem, StringComparison.Ordinal);
            using var tool = await AdminClient.ConnectAsync(SocketPath);
            Assert.NotNull((await tool.AskAsync("""{"request":"server"}"""))["server"]);
        }

        await File.WriteAllTextAsync(SocketPath, "precious");
        Assert.Contains("not a socket", (await Create(Handlers.EchoAsync, SocketPath).StartAndFailAsync()).Message, StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(SocketPath));
    }

    [Theory]
    [InlineData("@admin", "abstract namespace")]
    [InlineData("/nonexistent/admin.sock", "folder")]
    [InlineData("/tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.sock", "shorter")]
    public async Task A_path_that_cannot_be_fails_the_start_with_one_clear_line(string path, string expected)
    {
        var problem = (await Create(Handlers.EchoAsync, path).StartAndFailAsync()).Message;
        Assert.Contains($"Peregrine:Admin:Socket = \"{path}\"", problem, StringComparison.Ordinal);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_that_fails_for_another_reason_is_answered_and_the_next_is_served()
    {
        var source = new BrokenSource();
        await using var server = Create(Handlers.EchoAsync, SocketPath, source);
        await server.StartAsync();
        using var tool = await AdminClient.ConnectAsync(SocketPath);
        source.IsBroken = true;
        var answer = await tool.AskAsync("""{"id":3,"request":"set","settings":{"Limits:MaxConnections":"3"}}""");
        Assert.Equal("failed", (string?)answer["error"]!["code"]);
        Assert.Equal(3, (int)answer["id"]!);
        Assert.Contains("The disk is gone.", (string?)answer["error"]!["message"], StringComparison.Ordinal);
        source.IsBroken = false;
        AssertDone(await tool.AskAsync("""{"request":"set","settings":{"Limits:MaxConnections":"3"}}"""));
    }

    private static void AssertDone(JsonObject answer) => Assert.False(answer.ContainsKey("error"), answer.ToJsonString());

    private async Task<TestServer> StartAsync(ConnectionDelegate handler)
    {
        var server = Create(handler, SocketPath);
        await server.StartAsync();
        return server;
    }

    private static TestServer Create(ConnectionDelegate handler, string path, IConfigurationSource? source = null) => new(
        builder => builder.Endpoint("test", tcp => tcp.Run(connection => handler(connection))),
        new Dictionary<string, string?> { ["Peregrine:Endpoints:test:Url"] = "tcp://127.0.0.1:0", ["Peregrine:Admin:Socket"] = path },
        source: source);

    /// <summary>A configuration that fails when it is asked.</summary>
    private sealed class BrokenSource : ConfigurationProvider, IConfigurationSource
    {
        public bool IsBroken { get; set; }

        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        public override bool TryGet(string key, out string? value) => !IsBroken ? base.TryGet(key, out value) : throw new IOException("The disk is gone.");
    }
}
