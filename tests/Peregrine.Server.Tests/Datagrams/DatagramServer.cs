using System.Net;
using System.Text;
using Peregrine.Server.Hosting;
using Peregrine.Testing;

namespace Peregrine.Server.Tests.Datagrams;

/// <summary>What the tests of datagram endpoints share.</summary>
internal static class DatagramServer
{
    /// <summary>A server with one datagram endpoint, named "test", and nothing else.</summary>
    public static TestServer Create(Action<IDatagramBuilder> configure, Dictionary<string, string?>? configuration = null, TimeProvider? clock = null, Action<PeregrineBuilder>? builder = null)
    {
        configuration ??= [];
        configuration.TryAdd("Peregrine:Endpoints:test:Url", "udp://127.0.0.1:0");
        return new TestServer(
            server =>
            {
                server.UdpEndpoint("test", configure);
                builder?.Invoke(server);
            },
            configuration,
            clock);
    }

    public static DatagramAddress AddressOf(this TestServer server, int endpoint = 0) => new((IPEndPoint)server.Server.Endpoints[endpoint].Addresses[0]);

    public static DatagramCounters Counters(this TestServer server) => server.Server.Endpoints[0].Datagrams!;

    public static async Task<string> ReceiveTextAsync(this InMemoryDatagramClient client) =>
        Encoding.ASCII.GetString((await client.ReceiveAsync().AsTask().InTimeAsync()).Payload.Span);

    public static ValueTask EchoAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            sender.TrySend(datagram.Payload.Span, datagram.Path);
        }

        return default;
    }
}
