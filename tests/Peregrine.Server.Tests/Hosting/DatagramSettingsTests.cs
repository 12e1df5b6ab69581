using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Hosting;
using Peregrine.Server.Tests.Datagrams;

namespace Peregrine.Server.Tests.Hosting;

public sealed class DatagramSettingsTests
{
    private const string Endpoint = "Peregrine:Endpoints:test";

    [Fact]
    public async Task Every_option_comes_from_the_configuration()
    {
        await using var server = DatagramServer.Create(
            udp => udp.Run(DatagramServer.EchoAsync),
            new()
            {
                [$"{Endpoint}:Url"] = "udp://127.0.0.1:0",
                [$"{Endpoint}:Scheduling"] = "inline",
                [$"{Endpoint}:Listeners"] = "2",
                [$"{Endpoint}:BatchSize"] = "32",
                [$"{Endpoint}:MaxDatagramSizeInBytes"] = "1500",
                [$"{Endpoint}:Io"] = "OneByOne",
                [$"{Endpoint}:Coalescing"] = "false",
                [$"{Endpoint}:Segmentation"] = "false",
                [$"{Endpoint}:MaxQueuedBytes"] = "65536",
                [$"{Endpoint}:MaxQueuedDatagrams"] = "100",
                [$"{Endpoint}:Addresses:Deny:0"] = "192.0.2.0/24",
                [$"{Endpoint}:Socket:ReceiveBufferSizeInBytes"] = "65536",
                [$"{Endpoint}:Socket:SendBufferSizeInBytes"] = "32768",
                [$"{Endpoint}:Socket:IPv6Only"] = "true",
                [$"{Endpoint}:Socket:Device"] = "lo",
                [$"{Endpoint}:Socket:Dscp"] = "46",
                [$"{Endpoint}:Socket:TimeToLive"] = "8",
                [$"{Endpoint}:Socket:Broadcast"] = "true",
                [$"{Endpoint}:Socket:ReceiveMarks"] = "true",
                [$"{Endpoint}:Socket:DontFragment"] = "true",
                [$"{Endpoint}:Socket:Multicast:Interface"] = "eth0",
                [$"{Endpoint}:Socket:Multicast:Loopback"] = "false",
                [$"{Endpoint}:Socket:Multicast:TimeToLive"] = "4",
                [$"{Endpoint}:Socket:Multicast:Groups:0:Address"] = "239.1.2.3",
                [$"{Endpoint}:Socket:Multicast:Groups:0:Source"] = "192.0.2.7",
                [$"{Endpoint}:Socket:Multicast:Groups:0:Interface"] = "127.0.0.1",
                [$"{Endpoint}:Socket:Multicast:Groups:1:Address"] = "ff02::1234",
            });
        var options = server.Host.Services.GetRequiredService<IOptionsMonitor<DatagramEndpointOptions>>().Get("TEST");
        Assert.Equal(("udp://127.0.0.1:0", ConnectionScheduling.Inline, 2, 32), (options.Url, options.Scheduling, options.Listeners, options.BatchSize));
        Assert.Equal((1500, DatagramIo.OneByOne, false, false), (options.MaxDatagramSizeInBytes, options.Io, options.Coalescing, options.Segmentation));
        Assert.Equal((65_536, 100), (options.MaxQueuedBytes, options.MaxQueuedDatagrams));
        Assert.Equal(IPNetwork.Parse("192.0.2.0/24"), Assert.Single(options.Addresses.Deny));
        var socket = options.Socket;
        Assert.Equal((65_536, 32_768, true, "lo", 46), (socket.ReceiveBufferSizeInBytes, socket.SendBufferSizeInBytes, socket.IPv6Only, socket.Device, socket.Dscp));
        Assert.Equal((8, true, true, true), (socket.TimeToLive, socket.Broadcast, socket.ReceiveMarks, socket.DontFragment));
        Assert.Equal(("eth0", false, 4), (socket.Multicast.Interface, socket.Multicast.Loopback, socket.Multicast.TimeToLive));
        Assert.Equal(
            [(IPAddress.Parse("239.1.2.3"), IPAddress.Parse("192.0.2.7"), "127.0.0.1"), (IPAddress.Parse("ff02::1234"), null, null)],
            socket.Multicast.Groups.Select(group => (group.Address!, group.Source, group.Interface)));
    }

    [Fact]
    public async Task Configuration_wins_over_code_and_its_lists_replace_those_of_code()
    {
        await using var server = new TestServer(
            builder => builder.ListenUdp(
                "test",
                "udp://127.0.0.1:7000",
                options =>
                {
                    options.BatchSize = 16;
                    options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Parse("239.0.0.1") });
                },
                udp => udp.Run(DatagramServer.EchoAsync)),
            new Dictionary<string, string?>
            {
                ["peregrine:endpoints:TEST:url"] = "udp://127.0.0.1:7100",
                ["Peregrine:Endpoints:Test:Socket:Multicast:Groups:0:Address"] = "239.0.0.2",
            });
        await server.StartAsync();
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7100), server.Server.Endpoints[0].Addresses[0]);
        var options = Assert.Single(server.Host.Services.GetRequiredService<LiveSettings>().Current.Datagrams).Options;
        Assert.Equal(16, options.BatchSize);
        Assert.Equal(IPAddress.Parse("239.0.0.2"), Assert.Single(options.Socket.Multicast.Groups).Address);
    }

    [Theory]
    [InlineData("Url", "tcp://127.0.0.1:0", "use Listen or Endpoint in code, or udp://host:port")]
    [InlineData("Url", "127.0.0.1:0", "udp://host:port")]
    [InlineData("Backlog", "10", "a datagram endpoint takes Url, Scheduling")]
    [InlineData("Scheduling", "Outline", "ThreadPool, Inline or EventLoop")]
    [InlineData("Listeners", "0", "a number from 1 to 1024")]
    [InlineData("BatchSize", "1025", "a number from 1 to 1024")]
    [InlineData("MaxDatagramSizeInBytes", "65536", "from 1 to 65535")]
    [InlineData("Io", "2", "Auto, Batched or OneByOne")]
    [InlineData("Coalescing", "1", "true or false")]
    [InlineData("Segmentation", "yes", "true or false")]
    [InlineData("MaxQueuedBytes", "65535", "from 65536")]
    [InlineData("MaxQueuedDatagrams", "0", "from 1")]
    [InlineData("Addresses:Allow:0", "everybody", "a network such as")]
    [InlineData("Socket:NoDelay", "true", "ReceiveBufferSizeInBytes")]
    [InlineData("Socket:ReceiveBufferSizeInBytes", "0", "from 1 to 1073741823")]
    [InlineData("Socket:SendBufferSizeInBytes", "-1", "from 1 to 1073741823")]
    [InlineData("Socket:Device", "a-name-that-is-too-long", "from 1 to 15 bytes")]
    [InlineData("Socket:Dscp", "64", "from 0 to 63")]
    [InlineData("Socket:TimeToLive", "0", "from 1 to 255")]
    [InlineData("Socket:Broadcast", "", "true or false")]
    [InlineData("Socket:DontFragment", "maybe", "true or false")]
    [InlineData("Socket:Multicast", "239.0.0.1", "section")]
    [InlineData("Socket:Multicast:TimeToLive", "256", "from 0, the own machine, to 255")]
    [InlineData("Socket:Multicast:Groups", "239.0.0.1", "section")]
    [InlineData("Socket:Multicast:Groups:0", "239.0.0.1", "section")]
    [InlineData("Socket:Multicast:Groups:0:Address", "10.0.0.1", "224.0.0.0/4")]
    [InlineData("Socket:Multicast:Groups:0:Address", "everywhere", "224.0.0.0/4")]
    [InlineData("Socket:Multicast:Groups:0:Address", "239.1", "224.0.0.0/4")]
    [InlineData("Socket:Multicast:Groups:0:Group", "239.0.0.1", "Address, Source, Interface")]
    public async Task A_wrong_setting_is_named_with_what_it_takes(string key, string value, string accepted)
    {
        await using var server = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync), new() { [$"{Endpoint}:{key}"] = value });
        var failure = await server.StartAndFailAsync();
        Assert.Contains($"{Endpoint}:{(key.StartsWith("Addresses", StringComparison.Ordinal) ? "Addresses:Allow" : key)}", failure.Message, StringComparison.Ordinal);
        Assert.Contains(accepted, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_option_of_code_that_is_out_of_its_range_names_the_endpoint()
    {
        await using var server = new TestServer(
            builder => builder.ListenUdp("udp://127.0.0.1:0", options => options.Socket.Multicast.Groups.Add(new MulticastGroup()), udp => udp.Run(DatagramServer.EchoAsync)));
        Assert.StartsWith(
            "Endpoint \"udp://127.0.0.1:0\" (in code):Socket:Multicast:Groups:0:Address = \"\": it takes an address of 224.0.0.0/4",
            (await server.StartAndFailAsync()).Message,
            StringComparison.Ordinal);
        await using var throwing = new TestServer(
            builder => builder.ListenUdp("udp://127.0.0.1:0", _ => throw new InvalidOperationException("Not now."), udp => udp.Run(DatagramServer.EchoAsync)));
        Assert.Contains("Not now.", (await throwing.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Urls_of_the_other_kind_say_what_to_use()
    {
        await using var connections = new TestServer(builder => builder.Listen("udp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)));
        var failure = await connections.StartAndFailAsync();
        Assert.StartsWith("Listen = \"udp://127.0.0.1:0\": it is a url of datagrams", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_url_and_a_section_without_a_handler_say_what_is_accepted()
    {
        await using var missing = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync), new() { [$"{Endpoint}:Url"] = "" });
        Assert.Contains("set it to udp://host:port", (await missing.StartAndFailAsync()).Message, StringComparison.Ordinal);
        await using var stray = DatagramServer.Create(
            udp => udp.Run(DatagramServer.EchoAsync), new() { ["Peregrine:Endpoints:other:Url"] = "udp://127.0.0.1:0" });
        Assert.Contains("add .UdpEndpoint(\"other\", …)", (await stray.StartAndFailAsync()).Message, StringComparison.Ordinal);
        await using var nothing = new TestServer(_ => { });
        Assert.Contains(".ListenUdp(\"udp://*:7000\"", (await nothing.StartAndFailAsync()).Message, StringComparison.Ordinal);
    }
}
