using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Peregrine.IntegrationTests.Ends;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Limits;

/// <summary>A link that fails with data in flight, and one that loses packets.</summary>
[Collection(MeasuredAlone.Name)]
public sealed class BadLinkTests(ITestOutputHelper output)
{
    [RequiresNamespacesFact("socat")]
    public async Task A_link_that_goes_down_with_data_in_flight_ends_connections_at_the_write_timeout()
    {
        const int Clients = 20;
        var timeout = TimeSpan.FromSeconds(5);
        await using var network = await NetworkNamespaces.CreateAsync();
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "LimitServer",
            [
                "source",
                $"--Peregrine:Endpoints:test:Url=tcp://{NetworkNamespaces.ServerAddress}:0",
                "--Peregrine:Endpoints:test:Timeouts:WriteProgress=" + timeout,
                "--Logging:LogLevel:Peregrine=Debug",
            ],
            network.OnServer);
        await using var _ = server;
        var clients = Enumerable.Range(0, Clients).Select(_ => Start([.. network.OnClients, "socat", "-u", $"TCP:{endPoint}", "OPEN:/dev/null"])).ToList();
        try
        {
            await UntilAsync(() => Count(server, "connection", " started") == Clients);
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
            await ClientProcess.RunShellAsync($"{string.Join(' ', network.OnServer)} ip link set eth0 down");
            var started = Stopwatch.GetTimestamp();
            await UntilAsync(() => Count(server, "connection", "ended (WriteTimeout)") == Clients);
            var took = Stopwatch.GetElapsedTime(started);
            output.WriteLine($"{Clients} connections with data in flight when the link went down: ended after {took.TotalSeconds:0.00} s, write timeout {timeout.TotalSeconds} s");
            Assert.InRange(took, timeout - TimeSpan.FromSeconds(1), timeout + TimeSpan.FromSeconds(2));
        }
        finally
        {
            clients.ForEach(End);
        }
    }

    /// <summary>The peer has sent something, and it might be the peer that waits: only the kernel's probes tell.</summary>
    [RequiresNamespacesFact("socat")]
    public async Task A_link_that_goes_down_ends_connections_whose_handlers_neither_read_nor_write()
    {
        const int Clients = 20;
        var idle = TimeSpan.FromSeconds(2);
        await using var network = await NetworkNamespaces.CreateAsync();
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "LimitServer",
            [
                "hold",
                $"--Peregrine:Endpoints:test:Url=tcp://{NetworkNamespaces.ServerAddress}:0",
                "--Peregrine:Endpoints:test:Timeouts:Idle=" + idle,
                "--Peregrine:Endpoints:test:Socket:KeepAlive:Time=00:00:01",
                "--Peregrine:Endpoints:test:Socket:KeepAlive:Interval=00:00:01",
                "--Peregrine:Endpoints:test:Socket:KeepAlive:Count=2",
                "--Logging:LogLevel:Peregrine=Debug",
            ],
            network.OnServer);
        await using var _ = server;
        var clients = Enumerable.Range(0, Clients)
            .Select(_ => Start([.. network.OnClients, "socat", "-t60", $"SYSTEM:echo request; sleep 60", $"TCP:{endPoint}"])).ToList();
        try
        {
            await UntilAsync(() => Count(server, "connection", " started") == Clients);
            await Task.Delay(idle * 2, TimeProvider.System);
            Assert.Equal(0, Count(server, ": connection ", "is reset (IdleTimeout)"));
            await ClientProcess.RunShellAsync($"{string.Join(' ', network.OnServer)} ip link set eth0 down");
            var started = Stopwatch.GetTimestamp();
            await UntilAsync(() => Count(server, ": connection ", "is reset (IdleTimeout)") == Clients);
            var took = Stopwatch.GetElapsedTime(started);
            output.WriteLine($"{Clients} connections with held handlers when the link went down: ended after {took.TotalSeconds:0.00} s, probes for 3 s, idle timeout {idle.TotalSeconds} s");
            Assert.InRange(took, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3) + (idle * 2));
        }
        finally
        {
            clients.ForEach(End);
        }
    }

    [RequiresNamespacesFact("socat", "nc", "iptables")]
    public async Task With_random_loss_every_transfer_is_whole()
    {
        const int Transfers = 20;
        const int Size = 1_000_000;
        var directory = Directory.CreateTempSubdirectory("peregrine-");
        await using var network = await NetworkNamespaces.CreateAsync();
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "LimitServer", ["hash", $"--Peregrine:Endpoints:test:Url=tcp://{NetworkNamespaces.ServerAddress}:0"], network.OnServer);
        var (answers, answersAt) = await ServerProcess.StartListeningAsync(
            "AnswerServer",
            [$"tcp://{NetworkNamespaces.ServerAddress}:0", Size.ToString(CultureInfo.InvariantCulture), "1"],
            network.OnServer);
        await using var _ = server;
        await using var __ = answers;
        try
        {
            foreach (var side in (string[][])[network.OnServer, network.OnClients])
            {
                await ClientProcess.RunShellAsync($"{string.Join(' ', side)} iptables -A INPUT -m statistic --mode random --probability 0.05 -j DROP");
            }

            var content = new byte[Size];
            new Random(1).NextBytes(content);
            var file = Path.Combine(directory.FullName, "content");
            await File.WriteAllBytesAsync(file, content);
            var expected = Convert.ToHexString(SHA256.HashData(content));
            var on = string.Join(' ', network.OnClients);
            var started = Stopwatch.GetTimestamp();
            var uploads = Enumerable.Range(0, Transfers)
                .Select(_ => ClientProcess.RunShellAsync($"{on} nc -N {endPoint.Address} {endPoint.Port} < {file}")).ToList();
            var downloads = Enumerable.Range(0, Transfers)
                .Select(i => ClientProcess.RunShellAsync($"{on} socat -u TCP:{answersAt} OPEN:{file}-{i},creat")).ToList();
            var hashes = await Task.WhenAll(uploads);
            await Task.WhenAll(downloads);
            var wholeUp = hashes.Count(hash => hash.Trim() == expected);
            var wholeDown = Enumerable.Range(0, Transfers).Count(i => IsWhole(File.ReadAllBytes($"{file}-{i}"), Size));
            output.WriteLine(
                $"5 % loss each way: {wholeUp} of {Transfers} uploads and {wholeDown} of {Transfers} downloads of {Size:N0} bytes are whole, after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
            Assert.Equal((Transfers, Transfers), (wholeUp, wholeDown));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>As the program AnswerServer sends it.</summary>
    private static bool IsWhole(byte[] content, int size) => content.Length == size && content.Index().All(item => item.Item == item.Index % 251);

    private static int Count(ServerProcess server, params string[] texts) =>
        server.Output.Split('\n').Count(line => texts.All(text => line.Contains(text, StringComparison.Ordinal)));

    private static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..]))!;

    private static void End(Process client)
    {
        if (!client.HasExited)
        {
            client.Kill();
            client.WaitForExit();
        }

        client.Dispose();
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }
}
