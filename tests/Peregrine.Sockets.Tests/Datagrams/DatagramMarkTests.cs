using System.Net;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DatagramMarkTests
{
    [LinuxTheory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::", "127.0.0.1")]
    [InlineData("::", "::1")]
    [InlineData("0.0.0.0", "127.0.0.1")]
    public async Task Marks_are_sent_and_received(string bound, string asked)
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(Configure, new IPEndPoint(IPAddress.Parse(bound), 0));
        var atServer = new Inbox();
        server.Start(
            (batch, sender) =>
            {
                _ = atServer.OnDatagramsAsync(batch, sender).AsTask();
                foreach (ref readonly var datagram in batch)
                {
                    sender.TrySend(datagram.Payload.Span, datagram.Path, datagram.Marks with { TimeToLive = 77 });
                }

                return default;
            },
            new DatagramCounters());
        var target = new IPEndPoint(IPAddress.Parse(asked), ((IPEndPoint)server.LocalEndPoint).Port);
        await using var client = await TestedDatagrams.ThreadPool.Transport(Configure).ConnectAsync(target);
        var atClient = new Inbox();
        client.Start(atClient.OnDatagramsAsync, new DatagramCounters());
        (DatagramMarks Asked, DatagramMarks Seen)[] cases =
        [
            (default, new DatagramMarks(10, EcnCodepoint.NotCapable, 33)),
            (new DatagramMarks(46, EcnCodepoint.CongestionExperienced, 5), new DatagramMarks(46, EcnCodepoint.CongestionExperienced, 5)),
            (new DatagramMarks(Ecn: EcnCodepoint.Capable0), new DatagramMarks(10, EcnCodepoint.Capable0, 33)),
            (new DatagramMarks(Ecn: EcnCodepoint.Capable1), new DatagramMarks(10, EcnCodepoint.Capable1, 33)),
            (new DatagramMarks(Dscp: 0), new DatagramMarks(0, EcnCodepoint.NotCapable, 33)),
            (new DatagramMarks(TimeToLive: 255), new DatagramMarks(10, EcnCodepoint.NotCapable, 255)),
        ];
        foreach (var (marks, seen) in cases)
        {
            Assert.True(client.Sender.TrySend("marked"u8, default, marks));
            Assert.Equal(seen, (await atServer.NextAsync()).Datagram.Marks);
            Assert.Equal(seen with { TimeToLive = 77 }, (await atClient.NextAsync()).Datagram.Marks);
        }

        // Those of one kind leave together, those of another do not.
        for (var i = 0; i < 30; i++)
        {
            Assert.True(client.Sender.TrySend(BitConverter.GetBytes(i), default, new DatagramMarks(Dscp: (byte)(i / 10))));
        }

        for (var i = 0; i < 30; i++)
        {
            var (payload, datagram) = await atServer.NextAsync();
            Assert.Equal(i, BitConverter.ToInt32(payload));
            Assert.Equal((byte)(i / 10), datagram.Marks.Dscp);
        }

        static void Configure(DatagramTransportOptions options)
        {
            options.Socket.ReceiveMarks = true;
            options.Socket.Dscp = 10;
            options.Socket.TimeToLive = 33;
        }
    }
}
