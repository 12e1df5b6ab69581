using System.Diagnostics;
using System.Globalization;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>A server whose network is taken away as soon as its process has ended, as that of a pod is.</summary>
public sealed class MachineGoneTests(ITestOutputHelper output)
{
    private const int Clients = 20;
    private const int Answer = 2_000_000;

    /// <summary>How many clients read nothing from the signal on until the server's machine is gone: their kernels have it all.</summary>
    private const int Paused = 5;

    [RequiresNamespacesFact("socat")]
    public async Task What_was_in_flight_at_SIGTERM_has_arrived_when_the_process_ends()
    {
        var directory = Directory.CreateTempSubdirectory("peregrine-");
        await using var network = await NetworkNamespaces.CreateAsync();
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "AnswerServer",
            [$"tcp://{NetworkNamespaces.ServerAddress}:0", Answer.ToString(CultureInfo.InvariantCulture), Clients.ToString(CultureInfo.InvariantCulture)],
            network.OnServer);
        await using var _ = server;
        var files = Enumerable.Range(0, Clients).Select(i => Path.Combine(directory.FullName, i.ToString(CultureInfo.InvariantCulture))).ToList();
        var clients = files.ConvertAll(file => Start([.. network.OnClients, "socat", "-u", $"TCP:{endPoint}", $"OPEN:{file},creat"]));
        try
        {
            await WaitForBeginningsAsync(clients, files);
            await Task.WhenAll(clients.Take(Paused).Select(Signals.PauseAsync));
            var arrived = files.Sum(LengthOf);
            var started = Stopwatch.GetTimestamp();
            server.Signal(Signals.Terminate);
            var exitCode = await server.WaitForExitAsync();
            var took = Stopwatch.GetElapsedTime(started);
            await network.DeleteServerAsync();
            clients.Take(Paused).ToList().ForEach(Signals.Continue);
            await Task.WhenAll(clients.Select(client => client.WaitForExitAsync())).WaitAsync(RealServer.Limit);

            var whole = files.Where((file, i) => clients[i].ExitCode == 0 && IsWhole(file)).Count();
            output.WriteLine(
                $"{arrived:N0} of {(long)Clients * Answer:N0} bytes had arrived at SIGTERM; the process ended after {took.TotalSeconds:0.0} s with {exitCode}, and its network was gone: {whole} of {Clients} clients have every byte and a clean end, {files.Sum(LengthOf):N0} bytes in all");
            Assert.Equal((Clients, 0), (whole, exitCode));
            Assert.True(arrived < (long)Clients * Answer / 2, "Most had arrived before the signal: the test shows nothing.");
        }
        finally
        {
            clients.ForEach(End);
            directory.Delete(recursive: true);
        }
    }

    private static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..]))!;

    /// <summary>Every client has begun to receive. The server begins with all at once, or the first would be done before the last.</summary>
    private static async Task WaitForBeginningsAsync(List<Process> clients, List<string> files)
    {
        var started = Stopwatch.GetTimestamp();
        while (files.Exists(file => LengthOf(file) == 0))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit);
            Assert.DoesNotContain(clients, client => client.HasExited);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    private static long LengthOf(string file) => new FileInfo(file) is { Exists: true, Length: var length } ? length : 0;

    /// <summary>As the program AnswerServer sends it.</summary>
    private static bool IsWhole(string file)
    {
        var content = File.ReadAllBytes(file);
        return content.Length == Answer && content.Index().All(item => item.Item == item.Index % 251);
    }

    private static void End(Process client)
    {
        if (!client.HasExited)
        {
            client.Kill();
            client.WaitForExit();
        }

        client.Dispose();
    }
}
