using System.Diagnostics;
using System.Net.Sockets;
using Peregrine.Features;
using Peregrine.IntegrationTests.Ends;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Limits;

/// <summary>A client that reads slowly out of a large receive buffer: its kernel takes nothing before a sixteenth of that is free again.</summary>
public sealed class LargeReceiveBufferTests(ITestOutputHelper output)
{
    private const int BytesPerSecond = 300_000;

    [LinuxFact]
    public async Task It_is_served_as_long_as_it_reads_and_ended_when_it_stops()
    {
        var timeout = TimeSpan.FromSeconds(5);
        var steps = TimeSpan.FromMilliseconds(50);
        var connected = new TaskCompletionSource<IConnectionBufferFeature>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                connected.SetResult(connection.Features.Get<IConnectionBufferFeature>()!);
                var block = new byte[64 * 1024];
                while (!(await connection.Transport.Output.WriteAsync(block)).IsCompleted)
                {
                }

                ended.SetResult();
            },
            endpoint: endpoint => endpoint.Timeouts.WriteProgress = timeout);

        // As large as the system lets it be.
        using var client = await server.ConnectAsync(receiveBuffer: 4 * 1024 * 1024);
        var buffers = await connected.Task.WaitAsync(RealServer.Limit);
        var buffer = new byte[(int)(BytesPerSecond * steps.TotalSeconds)];
        var started = Stopwatch.GetTimestamp();
        var (acknowledged, changed, longest) = (0L, started, TimeSpan.Zero);
        long received = 0;
        while (Stopwatch.GetElapsedTime(started) is var elapsed && elapsed < 2 * timeout)
        {
            if (received < elapsed.TotalSeconds * BytesPerSecond)
            {
                received += await client.ReceiveAsync(buffer, SocketFlags.None);
            }
            else
            {
                await Task.Delay(steps, TimeProvider.System);
            }

            if (buffers.AcknowledgedBytes is { } now && now != acknowledged)
            {
                longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, Stopwatch.GetElapsedTime(changed).Ticks));
                (acknowledged, changed) = (now, Stopwatch.GetTimestamp());
            }
        }

        Assert.False(
            ended.Task.IsCompleted,
            $"It was ended; {received:N0} bytes were read, {acknowledged:N0} acknowledged, nothing for {longest.TotalSeconds:0.0} s at most, and for {Stopwatch.GetElapsedTime(changed).TotalSeconds:0.0} s at the end.");
        var stopped = Stopwatch.GetTimestamp();
        await ended.Task.WaitAsync(RealServer.Limit);
        output.WriteLine(
            $"{received:N0} bytes read in {(2 * timeout).TotalSeconds} s, nothing acknowledged for {longest.TotalSeconds:0.0} s at most, write timeout {timeout.TotalSeconds} s; ended {Stopwatch.GetElapsedTime(stopped).TotalSeconds:0.0} s after it read no more");
        Assert.InRange(Stopwatch.GetElapsedTime(stopped), TimeSpan.Zero, timeout + TimeSpan.FromSeconds(2));
    }
}
