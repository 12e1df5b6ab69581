using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>
/// Connect, accept, the server's FIN, the client's FIN. The server's comes first: the other way round the client's ports would wait in TIME_WAIT,
/// and there would soon be none left. The client's socket allocates too.
/// </summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class AcceptConnections
{
    // Enough that the task of the benchmark itself counts for little.
    private const int Connections = 64;

    private readonly byte[] _byte = new byte[1];
    private IConnectionListener _listener = null!;
    private Socket _plainListener = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        _listener = await Loopback.ListenAsync();
        _plainListener = Loopback.ListenPlain();

        using var client = Loopback.Connect(_listener.EndPoint);
        var connection = (await _listener.AcceptAsync())!;
        Expect.True(Equals(connection.RemoteEndPoint, client.LocalEndPoint), "The accepted connection is not the client's.");
        await connection.Transport.Output.WriteAsync(new byte[] { 42 });
        Loopback.Receive(client, _byte);
        Expect.Same([42], _byte);
        var closing = connection.DisposeAsync();
        ReceiveEnd(client);
        client.Dispose();
        await closing;
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Connections)]
    public async Task PlainSocket()
    {
        for (var i = 0; i < Connections; i++)
        {
            using var client = Loopback.Connect(_plainListener.LocalEndPoint!);
            using var socket = await _plainListener.AcceptAsync();
            socket.NoDelay = true;
            socket.Shutdown(SocketShutdown.Send);
            ReceiveEnd(client);
            client.Dispose();
            await socket.ReceiveAsync(_byte);
        }
    }

    [Benchmark(OperationsPerInvoke = Connections)]
    public async Task Transport()
    {
        for (var i = 0; i < Connections; i++)
        {
            using var client = Loopback.Connect(_listener.EndPoint);
            var connection = (await _listener.AcceptAsync())!;
            var closing = connection.DisposeAsync();
            ReceiveEnd(client);
            client.Dispose();
            await closing;
        }
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        _plainListener.Dispose();
        await _listener.DisposeAsync();
    }

    private void ReceiveEnd(Socket client) => Expect.True(client.Receive(_byte) == 0, "The server did not end the connection.");
}
