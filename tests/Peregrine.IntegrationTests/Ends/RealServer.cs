using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Server;
using Peregrine.Server.Endpoints;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>A server in this process, over real sockets, with clients that count what they get.</summary>
internal sealed class RealServer : IAsyncDisposable
{
    /// <summary>Says no more than "not for ever": other tests and other processes may have the machine.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>Clients do not come from this address: a port that was free is not that of one of them, nor what it leaves behind.</summary>
    public const string OwnAddress = "127.0.78.1";
    private const string OwnAddressInHex = "014E007F";

    private readonly IHost _host;

    private RealServer(IHost host) => _host = host;

    public ServerEndpoint Endpoint => _host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];

    public IPEndPoint Address => (IPEndPoint)Endpoint.Addresses[0];

    public static async Task<RealServer> StartAsync(
        ConnectionDelegate handler, Action<PeregrineOptions>? options = null, Action<EndpointOptions>? endpoint = null, int port = 0)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server
            .Listen($"tcp://{OwnAddress}:{port}", endpoint ?? (static _ => { }), tcp => tcp.Run(connection => handler(connection)))
            .Configure(peregrine =>
            {
                peregrine.ThrowOnStartFailure = true;
                options?.Invoke(peregrine);
            }));
        var host = builder.Build();
        await host.StartAsync();
        return new RealServer(host);
    }

    public Task StopAsync() => _host.StopAsync();

    /// <param name="receiveBuffer">Its size, or the system's.</param>
    public async Task<Socket> ConnectAsync(int? receiveBuffer = null)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            client.ReceiveBufferSize = receiveBuffer ?? client.ReceiveBufferSize;
            await client.ConnectAsync(Address);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Waits until it has as many connections.</summary>
    public async Task WaitForMoreConnectionsAsync(int count)
    {
        var started = Stopwatch.GetTimestamp();
        while (Endpoint.Connections < count)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    /// <summary>The states of the sockets of a local port, but for those that listen.</summary>
    public static IReadOnlyList<int> StatesOf(int port) =>
        [.. SocketsOf(port).Where(socket => socket.Address == OwnAddressInHex).Select(socket => socket.State).Where(state => state != Listen)];

    /// <summary>How many connections wait to be accepted, on all sockets that listen on a port: what the receive queue of such a socket counts.</summary>
    public static int QueuedOn(int port) => SocketsOf(port).Where(socket => socket.State == Listen).Sum(socket => socket.ReceiveQueue);

    /// <summary>As in /proc/net/tcp (proc_net_tcp.txt of the kernel's documentation).</summary>
    private static IEnumerable<(string Address, int State, int ReceiveQueue)> SocketsOf(int port) =>
        File.ReadLines("/proc/net/tcp").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => Convert.ToInt32(fields[1][(fields[1].IndexOf(':', StringComparison.Ordinal) + 1)..], 16) == port)
            .Select(fields => (
                fields[1][..fields[1].IndexOf(':', StringComparison.Ordinal)], Convert.ToInt32(fields[3], 16), Convert.ToInt32(fields[4][(fields[4].IndexOf(':', StringComparison.Ordinal) + 1)..], 16)));

    public const int Established = 1;
    public const int TimeWait = 6;
    private const int Listen = 10;
}

internal static class Ends
{
    public static CancellationToken CloseRequested(this ConnectionContext connection) =>
        connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;

    public static Task WhenFiredAsync(this CancellationToken token)
    {
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        token.UnsafeRegister(_ => fired.TrySetResult(), null);
        return fired.Task;
    }

    /// <summary>Receives to the end. Less than was sent, or an exception, is what these tests are about.</summary>
    public static async Task<long> ReceiveToEndAsync(this Socket client, byte[] buffer)
    {
        long received = 0;
        while (await client.ReceiveAsync(buffer, SocketFlags.None) is > 0 and var count)
        {
            received += count;
        }

        return received;
    }

    public static async Task ReceiveExactlyAsync(this Socket client, byte[] buffer, int count)
    {
        for (var received = 0; received < count;)
        {
            var part = await client.ReceiveAsync(buffer.AsMemory(0, Math.Min(buffer.Length, count - received)), SocketFlags.None);
            Assert.True(part > 0, "The end came too early.");
            received += part;
        }
    }

    public static async Task RequestAsync(ConnectionContext connection)
    {
        var read = await connection.Transport.Input.ReadAsync();
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
    }
}
