using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

/// <summary>The system call fails, as it does when descriptors or memory are short, for ten seconds.</summary>
public sealed class AcceptFaultTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [RequiresTracingFact]
    public async Task Errors_of_accept_for_ten_seconds_cost_little_and_it_accepts_again_within_a_second()
    {
        string[] errors = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED"];
        foreach (var (error, calls, lines, recovery) in await Task.WhenAll(errors.Select(RunAsync)))
        {
            output.WriteLine($"{error}: {calls} accept calls in 10 s, {lines} log lines, accepting again after {recovery.TotalMilliseconds:0} ms");
            Assert.InRange(calls, 5, 250);
            Assert.InRange(lines, 0, 10);
            Assert.InRange(recovery, TimeSpan.Zero, TimeSpan.FromSeconds(1.1));
        }
    }

    private static async Task<(string Error, int Calls, int Lines, TimeSpan Recovery)> RunAsync(string error)
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0");
        await using var _ = server;
        using (var before = await ConnectAsync(endPoint))
        {
            await EchoAsync(before);
        }

        var trace = Path.GetTempFileName();
        try
        {
            using var tracer = Process.Start(new ProcessStartInfo(
                "strace", ["-f", "-o", trace, "-e", "trace=accept4", "-e", $"inject=accept4:error={error}", "-p", $"{server.Id}"]) { RedirectStandardError = true })!;
            Assert.Contains("attached", await tracer.StandardError.ReadLineAsync().WaitAsync(Limit), StringComparison.Ordinal);
            var linesBefore = server.Output.Split('\n').Length;
            using var client = await ConnectAsync(endPoint);
            var echo = EchoAsync(client);
            await Task.Delay(Duration, TimeProvider.System);
            Assert.False(echo.IsCompleted);
            tracer.Kill(); // Detached by the kernel, the threads go on as if nothing had been.
            await tracer.WaitForExitAsync().WaitAsync(Limit);
            var started = Stopwatch.GetTimestamp();
            await echo.WaitAsync(Limit);
            var recovery = Stopwatch.GetElapsedTime(started);
            return (error, File.ReadLines(trace).Count(line => line.Contains("INJECTED", StringComparison.Ordinal)), server.Output.Split('\n').Length - linesBefore, recovery);
        }
        finally
        {
            File.Delete(trace);
        }
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(endPoint).WaitAsync(Limit);
        return client;
    }

    private static async Task EchoAsync(Socket client)
    {
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await client.ReceiveAsync(new byte[1]));
    }
}
