using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

/// <summary>What a user sees who starts the sample with wrong settings: one line that helps, and an exit code.</summary>
public sealed class BadInputTests
{
    private const string Url = "Peregrine:Endpoints:echo:Url";

    [Theory]
    [InlineData("--Peregrine:Endpoints:echo:Bcklog=5", "Peregrine:Endpoints:echo:Bcklog", "Backlog")]
    [InlineData("--Peregrine:Endpoints:echo:Backlog=many", "Peregrine:Endpoints:echo:Backlog", "many")]
    [InlineData("--Peregrine:Endpoints:echo:Url=tcp//nowhere", Url, "tcp//nowhere")]
    [InlineData("--Peregrine:Endpoints:echo:Url=http://127.0.0.1:80", Url, "tcp://")]
    [InlineData("--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:99999", Url, "99999")]
    [InlineData("--Peregrine:Endpoints:echo:Url=tcp://192.0.2.1:7000", Url, "192.0.2.1")]
    [InlineData("--Peregrine:Endpoints:echo:Url=fd://1000", Url, "without an open descriptor 1000")]
    [InlineData("--Peregrine:Endpoints:echo:Url=systemd://echo", Url, "LISTEN_FDS are not set")]
    [InlineData("--Peregrine:Endpoints:other:Url=tcp://127.0.0.1:0", "Peregrine:Endpoints:other", "other")]
    [InlineData("--Peregrine:Endpoints:echo:Socket:Dscp=64", "Peregrine:Endpoints:echo:Socket:Dscp", "from 0 to 63")]
    [InlineData("--Peregrine:Endpoints:echo:Socket:Device=peregrine0", "Peregrine:Endpoints:echo:Socket:Device", "no such network interface")]
    [InlineData("--Peregrine:ShutdownTimeout=soon", "Peregrine:ShutdownTimeout", "soon")]
    public async Task A_wrong_setting_ends_the_start_with_one_clear_line(string argument, params string[] expected)
    {
        await using var server = ServerProcess.Start("Echo", [argument]);
        await AssertFailsClearlyAsync(server, expected);
    }

    [Fact]
    public async Task The_first_server_is_as_clear()
    {
        await using var server = ServerProcess.Start("FirstServer", ["--Peregrine:Bogus=1"]);
        await AssertFailsClearlyAsync(server, "Peregrine:Bogus");
    }

    [Fact]
    public async Task A_port_in_use_ends_the_start_with_one_clear_line()
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        await using var server = ServerProcess.Start("Echo", [$"--{Url}=tcp://{other.LocalEndPoint}"]);
        await AssertFailsClearlyAsync(server, Url, other.LocalEndPoint!.ToString()!, "in use");
    }

    [Fact]
    public async Task A_live_unix_socket_ends_the_start_with_one_clear_line_and_a_stale_one_is_replaced()
    {
        var directory = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            var live = Path.Combine(directory.FullName, "live.sock");
            using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            other.Bind(new UnixDomainSocketEndPoint(live));
            other.Listen();
            await using (var server = ServerProcess.Start("Echo", [$"--{Url}=unix://{live}"]))
            {
                await AssertFailsClearlyAsync(server, Url, live);
            }

            var stale = Path.Combine(directory.FullName, "stale.sock");
            using (var gone = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                // As after a kill: .NET removes the file of a socket that it closes, so the file is put under another name first.
                gone.Bind(new UnixDomainSocketEndPoint(stale + ".bound"));
                gone.Listen();
                File.Move(stale + ".bound", stale);
            }

            await using (var server = ServerProcess.Start("Echo", [$"--{Url}=unix://{stale}"]))
            {
                using var client = await ConnectAsync(stale, server);
                await client.SendAsync("hello"u8.ToArray());
                var answer = new byte[5];
                Assert.Equal(5, await client.ReceiveAsync(answer.AsMemory()));
            }

            var file = Path.Combine(directory.FullName, "file");
            await File.WriteAllTextAsync(file, "precious");
            await using (var server = ServerProcess.Start("Echo", [$"--{Url}=unix://{file}"]))
            {
                await AssertFailsClearlyAsync(server, Url, file, "not a socket");
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [PrivilegedPortFact]
    public async Task A_privileged_port_ends_the_start_with_one_clear_line()
    {
        await using var server = ServerProcess.Start(
            "Echo", [$"--{Url}=tcp://127.0.0.1:7"], "setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service");
        await AssertFailsClearlyAsync(server, Url, "tcp://127.0.0.1:7", "CAP_NET_BIND_SERVICE");
    }

    private static async Task<Socket> ConnectAsync(string path, ServerProcess server)
    {
        for (var i = 0; i < 1_200 && !server.Output.Contains("Listening", StringComparison.Ordinal); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(new UnixDomainSocketEndPoint(path));
        return client;
    }

    private static async Task AssertFailsClearlyAsync(ServerProcess server, params string[] expected)
    {
        Assert.NotEqual(0, await server.WaitForExitAsync());
        var lines = server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var line = Assert.Single(lines);
        Assert.All(expected, part => Assert.Contains(part, line, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain("   at ", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", server.Output, StringComparison.Ordinal);
    }

    /// <summary>Containers may be told that no port is privileged (net.ipv4.ip_unprivileged_port_start, ip(7)).</summary>
    private sealed class PrivilegedPortFactAttribute : RequiresProgramFactAttribute
    {
        private const string FirstUnprivileged = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

        public PrivilegedPortFactAttribute()
            : base("setpriv")
        {
            if (!File.Exists(FirstUnprivileged) || File.ReadAllText(FirstUnprivileged).Trim() != "1024")
            {
                Skip = $"Needs Linux with {FirstUnprivileged} at 1024.";
            }
        }
    }
}
