using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Features;
using Peregrine.IntegrationTests.Ends;
using Peregrine.Middleware;
using Peregrine.Server;

namespace Peregrine.IntegrationTests.Proxies;

/// <summary>What the handler of a connection saw.</summary>
internal sealed record Seen(EndPoint? Remote, EndPoint? Local, IProxyProtocolFeature Feature);

/// <summary>A server behind a proxy, which echoes, and tells what it saw of each connection.</summary>
internal sealed class ProxiedServer : IAsyncDisposable
{
    private readonly Channel<Seen> _seen = Channel.CreateUnbounded<Seen>();
    private IHost? _host;

    public EndPoint Address => _host!.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];

    public static async Task<ProxiedServer> StartAsync(string url = $"tcp://{RealServer.OwnAddress}:0", ConnectionScheduling scheduling = ConnectionScheduling.ThreadPool)
    {
        var proxied = new ProxiedServer();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server
            .Listen(
                url,
                options =>
                {
                    options.Scheduling = scheduling;
                    options.ProxyProtocol = new ProxyProtocolOptions { TrustedNetworks = { IPNetwork.Parse("127.0.0.0/8") }, TrustUnixSockets = true };
                },
                tcp => tcp.Run(proxied.EchoAsync))
            .Configure(options => options.ThrowOnStartFailure = true));
        proxied._host = builder.Build();
        await proxied._host.StartAsync();
        return proxied;
    }

    /// <summary>What was seen next, of a kind.</summary>
    public async Task<Seen> NextAsync(Func<Seen, bool>? isIt = null)
    {
        using var limit = new CancellationTokenSource(RealServer.Limit, TimeProvider.System);
        while (true)
        {
            var seen = await _seen.Reader.ReadAsync(limit.Token);
            if (isIt?.Invoke(seen) != false)
            {
                return seen;
            }
        }
    }

    /// <summary>Connects to the proxy, and has a message echoed through it.</summary>
    /// <returns>The client's own address, and what the server saw.</returns>
    public async Task<(EndPoint? Client, Seen Seen)> EchoThroughAsync(EndPoint proxy)
    {
        using var socket = new Socket(proxy.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(proxy);
        await using var stream = new NetworkStream(socket);
        await EchoAsync(stream);
        return (socket.LocalEndPoint, await NextAsync(seen => seen.Feature.Command == ProxyProtocolCommand.Proxy || proxy is UnixDomainSocketEndPoint));
    }

    public static async Task EchoAsync(Stream stream)
    {
        var message = "Who am I?"u8.ToArray();
        await stream.WriteAsync(message);
        var answer = new byte[message.Length];
        await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(RealServer.Limit, TimeProvider.System);
        Assert.Equal(Encoding.ASCII.GetString(message), Encoding.ASCII.GetString(answer));
    }

    public async ValueTask DisposeAsync()
    {
        await _host!.StopAsync();
        _host.Dispose();
    }

    private async Task EchoAsync(ConnectionContext connection)
    {
        _seen.Writer.TryWrite(new Seen(connection.RemoteEndPoint, connection.LocalEndPoint, connection.Features.Get<IProxyProtocolFeature>()!));
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(segment);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }
}
