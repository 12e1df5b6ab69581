using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Server;
using Peregrine.Server.Datagrams;

namespace Peregrine.IntegrationTests.Datagrams;

/// <summary>A server of datagrams in this process, over real sockets.</summary>
internal sealed class DatagramServer : IAsyncDisposable
{
    /// <summary>Says no more than "not for ever".</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly IHost _host;

    private DatagramServer(IHost host) => _host = host;

    public PeregrineServer Server => _host.Services.GetRequiredService<PeregrineServer>();

    public DatagramCounters Counters => Server.Endpoints[0].Datagrams!;

    public IPEndPoint Address => (IPEndPoint)Server.Endpoints[0].Addresses[0];

    public IServiceProvider Services => _host.Services;

    public static async Task<DatagramServer> StartAsync(
        DatagramDelegate handler, Action<DatagramEndpointOptions>? options = null, string url = "udp://127.0.0.1:0", TimeSpan? shutdownTimeout = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server
            .ListenUdp("test", url, options ?? (static _ => { }), udp => udp.Run(handler))
            .Configure(peregrine =>
            {
                peregrine.ThrowOnStartFailure = true;
                peregrine.ShutdownTimeout = shutdownTimeout ?? peregrine.ShutdownTimeout;
            }));
        var host = builder.Build();
        await host.StartAsync();
        return new DatagramServer(host);
    }

    /// <summary>A socket that is connected to the server.</summary>
    public Socket Connect()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Connect(Address.Address.Equals(IPAddress.IPv6Any) ? new IPEndPoint(IPAddress.Loopback, Address.Port) : Address);
        return client;
    }

    public long Dropped() => Enum.GetValues<DatagramDropReason>().Sum(Counters.GetDropped);

    public Task StopAsync() => _host.StopAsync().WaitAsync(Limit);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _host.Dispose();
    }

    public static ValueTask EchoAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            sender.TrySend(datagram.Payload.Span, datagram.Path);
        }

        return default;
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 12_000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.True(condition());
    }
}
