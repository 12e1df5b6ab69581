using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Ends;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Limits;

/// <summary>Clients that hold connections and do nothing, or next to nothing, while others are served.</summary>
[Collection(MeasuredAlone.Name)]
public sealed class SlowClientsTests(ITestOutputHelper output)
{
    private const int OfEachKind = 5_000;
    private const int Good = 20;
    private const int MessageSize = 16;
    private const int ConnectsPerSecond = 1_000;

    /// <summary>Of both timeouts.</summary>
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_alone = TimeSpan.FromSeconds(4);

    [Fact]
    public async Task Silent_and_slow_clients_are_ended_at_their_timeouts_and_others_do_not_notice()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "LimitServer",
            "messages",
            "--Peregrine:Endpoints:test:Url=tcp://127.0.0.1:0",
            "--Peregrine:Limits:ExemptNetworks:0=127.0.0.0/8",
            "--Peregrine:Endpoints:test:Timeouts:FirstByte=" + s_timeout,
            "--Peregrine:Endpoints:test:Timeouts:MinReadRateInBytesPerSecond=10",
            "--Peregrine:Endpoints:test:Timeouts:MinReadRateGrace=" + s_timeout);
        await using var _ = server;
        var good = new List<Socket>();
        for (var i = 0; i < Good; i++)
        {
            good.Add(await ConnectAsync(endPoint));
        }

        await MeasureAsync(good, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System));
        var before = P99(await MeasureAsync(good, Task.Delay(s_alone, TimeProvider.System)));
        var silent = HoldAsync(endPoint, firstByte: false);
        var slow = HoldAsync(endPoint, firstByte: true);
        var started = Stopwatch.GetTimestamp();
        var meanwhile = await MeasureAsync(good, Task.WhenAll(silent, slow));
        var after = P99(await MeasureAsync(good, Task.Delay(s_alone, TimeProvider.System)));
        good.ForEach(client => client.Dispose());

        var (ofSilent, ofSlow) = (await silent, await slow);
        var ending = started + (long)((double)OfEachKind / ConnectsPerSecond * Stopwatch.Frequency);
        var (during, connecting, ended) = (P99(meanwhile), P99(meanwhile.Where(time => time.At < ending)), P99(meanwhile.Where(time => time.At >= ending)));
        output.WriteLine($"{OfEachKind} silent clients: ended after {Range(ofSilent)} of {s_timeout.TotalSeconds} s");
        output.WriteLine($"{OfEachKind} clients of one byte in 10 s: ended after {Range(ofSlow)} of {s_timeout.TotalSeconds} s");
        output.WriteLine(
            $"p99 of {Good} good clients: {before.TotalMilliseconds:0.00} ms alone before, {during.TotalMilliseconds:0.00} ms meanwhile ({connecting.TotalMilliseconds:0.00} ms while they connect, {ended.TotalMilliseconds:0.00} ms while they are ended), {after.TotalMilliseconds:0.00} ms alone after; ratio {during / Max(before, after):0.00}");
        Assert.All(ofSilent.Concat(ofSlow), time => Assert.InRange(time, s_timeout - TimeSpan.FromSeconds(1.5), s_timeout + TimeSpan.FromSeconds(1.5)));

        // Where other processes take the cores, both are what the scheduler makes of them: the ratio of such times says nothing.
        Assert.InRange(during, TimeSpan.Zero, Max(2 * Max(before, after), TimeSpan.FromMilliseconds(50)));
    }

    /// <summary>What each message took, and when, until a task is done.</summary>
    private static async Task<List<(long At, long Took)>> MeasureAsync(List<Socket> clients, Task end)
    {
        var times = await Task.WhenAll(clients.Select(client => Task.Run(async () =>
        {
            var own = new List<(long At, long Took)>();
            var (message, answer) = (new byte[MessageSize], new byte[MessageSize]);
            while (!end.IsCompleted)
            {
                var started = Stopwatch.GetTimestamp();
                await client.SendAsync(message, SocketFlags.None);
                await client.ReceiveExactlyAsync(answer, MessageSize);
                own.Add((started, Stopwatch.GetTimestamp() - started));

                // A load that leaves the machine room: what is measured is waiting, and not the queue of the load itself.
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            }

            return own;
        }))).WaitAsync(RealServer.Limit);
        await end;
        return [.. times.SelectMany(own => own)];
    }

    private static TimeSpan P99(IEnumerable<(long At, long Took)> times)
    {
        var sorted = times.Select(time => time.Took).Order().ToList();
        return Stopwatch.GetElapsedTime(0, sorted[(int)(sorted.Count * 0.99)]);
    }

    /// <summary>How long each connection was held until the server ended it.</summary>
    private static async Task<TimeSpan[]> HoldAsync(IPEndPoint endPoint, bool firstByte)
    {
        // A thousand a second, of each kind: what is measured is what they cost while they are there, and at their end.
        var held = new List<Task<TimeSpan>>();
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < OfEachKind; i++)
        {
            held.Add(HoldAsync(await ConnectAsync(endPoint), firstByte));
            while (i > Stopwatch.GetElapsedTime(started).TotalSeconds * ConnectsPerSecond)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
            }
        }

        return await Task.WhenAll(held).WaitAsync(RealServer.Limit);
    }

    private static async Task<TimeSpan> HoldAsync(Socket client, bool firstByte)
    {
        using (client)
        {
            var started = Stopwatch.GetTimestamp();
            var end = EndAsync(client);
            while (firstByte && !end.IsCompleted)
            {
                client.Send(new byte[1], SocketFlags.None, out _);
                await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System));
            }

            Assert.Equal(SocketError.ConnectionReset, await end);
            return Stopwatch.GetElapsedTime(started);
        }
    }

    /// <summary>How the server ends the connection. Without an exception: ten thousand of them would be most of what is measured.</summary>
    private static Task<SocketError> EndAsync(Socket client)
    {
        var end = new TaskCompletionSource<SocketError>();
        var receive = new SocketAsyncEventArgs();
        receive.SetBuffer(new byte[1]);
        receive.Completed += (_, _) => end.SetResult(receive.SocketError);
        if (!client.ReceiveAsync(receive))
        {
            end.SetResult(receive.SocketError);
        }

        return end.Task;
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await client.ConnectAsync(endPoint);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static string Range(TimeSpan[] times) => $"{times.Min().TotalSeconds:0.00} to {times.Max().TotalSeconds:0.00} s";
}
