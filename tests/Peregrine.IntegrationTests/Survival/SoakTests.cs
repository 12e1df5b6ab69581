using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.IntegrationTests.Processes;
using Peregrine.IntegrationTests.Survival.Programs;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

/// <summary>Connections that come and go for long, many of them badly. PEREGRINE_SOAK_SECONDS says how long; 20 if it is not set.</summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int PerSecond = 500;
    private const int Seed = 5;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    // Of the heap: with a leak of some bytes for each connection, an hour takes more.
    private const long MostGrowth = 2 * 1024 * 1024;

    [LinuxFact]
    public async Task After_a_soak_with_random_faults_everything_is_back_where_it_was()
    {
        var seconds = int.Parse(Environment.GetEnvironmentVariable("PEREGRINE_SOAK_SECONDS") ?? "20", CultureInfo.InvariantCulture);
        var (server, endPoint) = await ServerProcess.StartListeningAsync(TestProgram.Assembly, SoakServer.Name);
        await using var _ = server;
        var random = new Random(Seed);
        await DriveAsync(endPoint, WarmUp, random, () => { });
        var start = await SettleAsync(server.Id, endPoint, int.MaxValue);

        var resident = new List<(double Second, double Bytes)>();
        var second = 0;
        var (served, failed) = await DriveAsync(
            endPoint, TimeSpan.FromSeconds(seconds), random, () => resident.Add((second++, ProcessFacts.ResidentBytes(server.Id))));
        var end = await SettleAsync(server.Id, endPoint, start.Descriptors);
        var half = resident[(resident.Count / 2)..];
        output.WriteLine(
            $"{seconds} s: {served} connections served, {failed} failed as they were told; descriptors {start.Descriptors} before and {end.Descriptors} after, "
            + $"pool {start.RentedBytes} and {end.RentedBytes} bytes rented, connections {end.Connections}; heap {start.HeapBytes / 1024} and {end.HeapBytes / 1024} KiB, resident {resident[0].Bytes / 1048576:0.0} MiB at the start, "
            + $"{resident[^1].Bytes / 1048576:0.0} at the end, slope of the second half {SlopeOf(half) / 1024:0.00} KiB/s");

        // The runtime opens one now and then by itself, such as for a thread.
        Assert.InRange(end.Descriptors, 0, start.Descriptors + 3);
        Assert.Equal(start.RentedBytes, end.RentedBytes);
        Assert.Equal(1, end.Connections); // The one that asks.
        Assert.InRange(end.HeapBytes, 0, start.HeapBytes + MostGrowth);
        Assert.InRange(served, seconds * PerSecond / 4, seconds * PerSecond);
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    private static async Task<(int Served, int Failed)> DriveAsync(IPEndPoint endPoint, TimeSpan duration, Random random, Action onSecond)
    {
        var running = new List<Task<bool>>();
        using var timer = new PeriodicTimer(Tick);
        var ticks = (int)(duration / Tick);
        var (served, failed) = (0, 0);
        for (var tick = 0; tick < ticks; tick++)
        {
            for (var i = 0; i < PerSecond * Tick.TotalSeconds; i++)
            {
                var seed = random.Next();
                running.Add(Task.Run(() => ConnectAsync(endPoint, new Random(seed))));
            }

            if (tick % (int)(TimeSpan.FromSeconds(1) / Tick) == 0)
            {
                onSecond();
                Count();
            }

            await timer.WaitForNextTickAsync();
        }

        await Task.WhenAll(running).WaitAsync(Limit);
        Count();
        return (served, failed);

        void Count()
        {
            served += running.Count(one => one is { IsCompletedSuccessfully: true, Result: true });
            failed += running.Count(one => one is { IsCompletedSuccessfully: true, Result: false });
            Assert.DoesNotContain(running, one => one.IsFaulted);
            running.RemoveAll(one => one.IsCompleted);
        }
    }

    /// <returns>Whether it was served as well-behaved clients are, and not a fault.</returns>
    private static async Task<bool> ConnectAsync(IPEndPoint endPoint, Random random)
    {
        // Each from one of 64 addresses: those that close first keep their ports for a minute.
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var fault = random.Next(10);
        client.Bind(new IPEndPoint(new IPAddress([127, 0, 0, (byte)random.Next(1, 65)]), 0));
        try
        {
            await client.ConnectAsync(endPoint).WaitAsync(Limit);
            switch (fault)
            {
                case 0: // Resets before it says anything.
                    client.LingerState = new LingerOption(true, 0);
                    return false;
                case 1: // Resets what the server answers.
                    await SendAsync(SoakServer.Echo, 20_000);
                    client.LingerState = new LingerOption(true, 0);
                    return false;
                case 2: // Says nothing for a while, and goes.
                    await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1_000, 3_000)), TimeProvider.System);
                    return false;
                case 3:
                    await SendAsync(SoakServer.Throw, 100);
                    await ReceiveToEndAsync();
                    return false;
                case 4:
                    await SendAsync(SoakServer.AbortConnection, 100);
                    await ReceiveToEndAsync();
                    return false;
                case 5:
                    await SendAsync(SoakServer.Return, 10_000);
                    await ReceiveToEndAsync();
                    return false;
                default:
                    var size = random.Next(4) == 0 ? 40_000 : 64;
                    await SendAsync(random.Next(50) == 0 ? SoakServer.Block : SoakServer.Echo, size);
                    client.Shutdown(SocketShutdown.Send);
                    Assert.Equal(size, await ReceiveToEndAsync());
                    return true;
            }
        }
        catch (SocketException)
        {
            return false; // Reset, as it was told.
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Fault {fault} of {client.LocalEndPoint} did not end in {Limit}. The kernel has: {Sockets(client)}");
        }

        // proc_net_tcp: the state, and the bytes that are unacknowledged and unread, of both ends.
        static string Sockets(Socket client)
        {
            var port = $":{((IPEndPoint)client.LocalEndPoint!).Port:X4} ";
            return string.Join(" | ", File.ReadLines("/proc/net/tcp").Where(line => line.Contains(port, StringComparison.Ordinal)).Select(line => line[..Math.Min(56, line.Length)]));
        }

        async Task SendAsync(byte first, int count)
        {
            var message = new byte[count];
            message[0] = first;
            await client.SendAsync(message).WaitAsync(Limit);
        }

        async Task<int> ReceiveToEndAsync()
        {
            var buffer = new byte[8_192];
            var received = 0;
            while (await client.ReceiveAsync(buffer).WaitAsync(Limit) is > 0 and var count)
            {
                received += count;
            }

            return received;
        }
    }

    /// <summary>Waits until there are as few descriptors, and asks the server.</summary>
    private static async Task<Settled> SettleAsync(int id, IPEndPoint endPoint, int descriptors)
    {
        Settled last = default;
        for (var attempt = 0; attempt < 40; attempt++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System);
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(endPoint);
            await client.SendAsync(new[] { SoakServer.Ask });
            var buffer = new byte[100];
            var answer = Encoding.ASCII.GetString(buffer, 0, await client.ReceiveAsync(buffer)).Split(' ');
            var now = new Settled(
                ProcessFacts.Descriptors(id), long.Parse(answer[0], CultureInfo.InvariantCulture), int.Parse(answer[1], CultureInfo.InvariantCulture),
                long.Parse(answer[2], CultureInfo.InvariantCulture));
            if (now == last with { HeapBytes = now.HeapBytes } && now.Descriptors <= descriptors && now.Connections == 1)
            {
                return now;
            }

            last = now;
        }

        return last;
    }

    /// <summary>Least squares.</summary>
    private static double SlopeOf(IReadOnlyList<(double X, double Y)> points)
    {
        var (x, y) = (points.Average(point => point.X), points.Average(point => point.Y));
        return points.Sum(point => (point.X - x) * (point.Y - y)) / points.Sum(point => (point.X - x) * (point.X - x));
    }

    private readonly record struct Settled(int Descriptors, long RentedBytes, int Connections, long HeapBytes);
}
