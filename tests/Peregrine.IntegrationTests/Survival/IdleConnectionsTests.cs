using System.Diagnostics;
using Peregrine.IntegrationTests.Processes;
using Peregrine.IntegrationTests.Survival.Programs;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

public sealed class IdleConnectionsTests(ITestOutputHelper output)
{
    private const int Wanted = 19_000;
    private const int Kept = 400;

    [LinuxFact]
    public async Task Idle_connections_cost_little_memory_and_no_time()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "Echo", "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0", "--Peregrine:Limits:ExemptNetworks:0=127.0.0.0/8");
        await using var _ = server;

        // As many as the limit of a process lets both sides have.
        var count = (int)Math.Min(Wanted, (Sockets.FileDescriptors.Limit ?? Wanted) - Kept);
        var descriptors = ProcessFacts.Descriptors(server.Id);
        var before = ProcessFacts.ResidentBytes(server.Id);
        using var clients = Process.Start(new ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, TestProgram.Assembly + ".dll"), IdleClients.Name, $"{endPoint.Port}", $"{count}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        })!;
        try
        {
            Assert.Equal($"holding {count}", await clients.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)));
            var after = ProcessFacts.ResidentBytes(server.Id);
            var cpu = await ProcessFacts.CpuPercentAsync(server.Id, TimeSpan.FromSeconds(10));
            output.WriteLine(
                $"{count} idle connections: {after / 1048576.0:0} MiB resident, {(after - before) / (double)count:0} bytes for each; {cpu:0.00} % of a core");
            Assert.Equal(descriptors + count, ProcessFacts.Descriptors(server.Id), 20.0);
            Assert.InRange((after - before) / count, 0, 12_000);
            Assert.InRange(cpu, 0, 5);
        }
        finally
        {
            clients.StandardInput.Close();
            await clients.WaitForExitAsync();
        }

        for (var i = 0; i < 200 && ProcessFacts.Descriptors(server.Id) > descriptors + 5; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        Assert.Equal(descriptors, ProcessFacts.Descriptors(server.Id), 5.0);
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
    }
}
