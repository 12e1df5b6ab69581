using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;
using Peregrine.IntegrationTests.Survival.Programs;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

public sealed class DescriptorLimitTests(ITestOutputHelper output)
{
    private const int Clients = 1_000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly string[] Echo =
        ["--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0", "--Peregrine:Limits:ExemptNetworks:0=127.0.0.0/8"];

    [LinuxFact]
    public async Task With_600_descriptors_a_thousand_clients_are_all_served_in_turn()
    {
        await using var server = ServerProcess.Start("Echo", Echo, "sh", "-c", "ulimit -n 600; exec \"$@\"", "sh");
        var endPoint = await server.WhenListening;
        var before = ProcessFacts.Descriptors(server.Id);
        var clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(endPoint).WaitAsync(Limit);
            await client.SendAsync("x"u8.ToArray());
            return client;
        }));
        var answers = clients.Select(client => client.ReceiveAsync(new byte[1])).ToList();
        var served = await CountAsync(answers);
        var cpu = await ProcessFacts.CpuPercentAsync(server.Id, TimeSpan.FromSeconds(5));
        var most = ProcessFacts.Descriptors(server.Id);
        output.WriteLine($"600 descriptors, {before} open: {served} of {Clients} clients are served at once, {most} descriptors; {cpu:0.0} % CPU while the others wait");
        Assert.InRange(served, 1, 600 - before);
        Assert.InRange(cpu, 0, 5);

        // Each that leaves makes a place for one that waits.
        var done = 0;
        while (done < Clients)
        {
            var next = await Task.WhenAny(answers).WaitAsync(Limit);
            Assert.Equal(1, await next);
            var index = answers.IndexOf(next);
            clients[index].Dispose();
            answers[index] = Never;
            done++;
        }

        Assert.DoesNotContain("TooManyOpenSockets", server.Output, StringComparison.Ordinal);
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
        output.WriteLine($"all {Clients} are served, and the server stops with 0");
    }

    [LinuxFact]
    public async Task A_process_without_descriptors_can_still_open_a_file_and_start_a_thread_and_accepts_again_when_there_are_some()
    {
        // Without the compiler's background thread, which the runtime starts when it likes.
        await using var server = ServerProcess.Start(
            TestProgram.Assembly, [SoakServer.Name], "sh", "-c", "ulimit -n 600; export DOTNET_TieredCompilation=0; exec \"$@\"", "sh");
        var endPoint = await server.WhenListening;
        using var exhausting = await ConnectAsync(endPoint);
        using var releasing = await ConnectAsync(endPoint);
        await exhausting.SendAsync(new[] { SoakServer.Exhaust });
        var answer = new byte[1];
        Assert.Equal(1, await exhausting.ReceiveAsync(answer).WaitAsync(Limit));
        Assert.Equal(1, answer[0]);

        // Only now does an accept find that there are none.
        using var waiting = await ConnectAsync(endPoint);
        var echo = EchoAsync(waiting, SoakServer.Echo);
        Assert.True(await exhausting.ReceiveAsync(answer).WaitAsync(Limit) == 1, server.Output);
        Assert.Equal(2, answer[0]);
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
        var cpu = await ProcessFacts.CpuPercentAsync(server.Id, TimeSpan.FromSeconds(5));
        Assert.False(echo.IsCompleted);

        await EchoAsync(releasing, SoakServer.Release).WaitAsync(Limit);
        var started = Stopwatch.GetTimestamp();
        await echo.WaitAsync(Limit);
        var recovery = Stopwatch.GetElapsedTime(started);
        output.WriteLine($"no descriptors: a file is opened and a thread started; {cpu:0.0} % CPU while a client waits, which is served {recovery.TotalMilliseconds:0} ms after there are some");
        Assert.InRange(cpu, 0, 5);
        Assert.InRange(recovery, TimeSpan.Zero, TimeSpan.FromSeconds(1.1));
        exhausting.Dispose();
        waiting.Dispose();
        releasing.Dispose();
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [LinuxFact]
    public async Task More_connections_than_descriptors_fail_the_start()
    {
        await using var server = ServerProcess.Start(
            "Echo", [.. Echo, "--Peregrine:Limits:MaxConnections=1000"], "sh", "-c", "ulimit -n 600; exec \"$@\"", "sh");
        _ = server.WhenListening.ContinueWith(listening => listening.Exception, TaskScheduler.Default);
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains("Peregrine:Limits:MaxConnections = \"1000\": there are descriptors for ", server.Output, StringComparison.Ordinal);
        Assert.Contains("LimitNOFILE=", server.Output, StringComparison.Ordinal);
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(endPoint).WaitAsync(Limit);
        return client;
    }

    private static async Task EchoAsync(Socket client, byte message)
    {
        await client.SendAsync(new[] { message });
        var answer = new byte[1];
        Assert.Equal(1, await client.ReceiveAsync(answer));
        Assert.Equal(message, answer[0]);
    }

    private static Task<int> Never { get; } = new TaskCompletionSource<int>().Task;

    /// <summary>How many are answered when no more are for a second.</summary>
    private static async Task<int> CountAsync(List<Task<int>> answers)
    {
        for (var last = -1; ;)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
            var now = answers.Count(answer => answer.IsCompletedSuccessfully);
            if (now == last)
            {
                return now;
            }

            last = now;
        }
    }
}
