using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Drives one server, and prints the measurement as one line of JSON.</summary>
internal sealed class LoadGenerator(Load load, int port, int serverProcess)
{
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var recorder = new Recorder();
        var connections = new List<EchoConnection>();
        try
        {
            await ConnectAsync(connections, recorder, cancellationToken);
            var running = Task.WhenAll(connections.Select(connection => Task.Run(connection.RunAsync, CancellationToken.None)));
            var (elapsed, cpu) = await MeasureAsync(recorder, running, cancellationToken);
            await running.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);

            var latencies = recorder.Merge();
            var messages = latencies.TotalCount;
            Console.WriteLine(JsonSerializer.Serialize(new Measurement(
                messages / elapsed.TotalSeconds,
                latencies.GetValueAtPercentile(50),
                latencies.GetValueAtPercentile(99),
                latencies.GetValueAtPercentile(99.9),
                messages == 0 ? 0 : cpu.TotalMicroseconds / messages)));
            return 0;
        }
        catch (Exception exception) when (exception is SocketException or InvalidDataException or TimeoutException or ArgumentException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
        }
    }

    private async Task ConnectAsync(List<EchoConnection> connections, Recorder recorder, CancellationToken cancellationToken)
    {
        for (var i = 0; i < load.Connections; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            connections.Add(new EchoConnection(socket, load, recorder, i));
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        }
    }

    private async Task<(TimeSpan Elapsed, TimeSpan ServerCpu)> MeasureAsync(Recorder recorder, Task running, CancellationToken cancellationToken)
    {
        using var server = Process.GetProcessById(serverProcess);
        await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(load.WarmUp), TimeProvider.System, cancellationToken));
        var started = Stopwatch.GetTimestamp();
        var cpu = server.TotalProcessorTime;
        recorder.Start();
        await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(load.Seconds), TimeProvider.System, cancellationToken));
        recorder.Stop();
        var elapsed = Stopwatch.GetElapsedTime(started);
        server.Refresh();
        cpu = server.TotalProcessorTime - cpu;
        recorder.End();
        return (elapsed, cpu);
    }
}
