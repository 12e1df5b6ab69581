using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using static Peregrine.Middleware.Tests.ProxyProtocol.RawHeader;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

public sealed class ReceiverTests
{
    private const int Refused = 200;
    private const int RefusedWarning = 201;
    private const int EndedWithoutHeader = 202;
    private static readonly IPNetwork s_loopback = IPNetwork.Parse("127.0.0.0/8");
    private static readonly byte[] s_header = Of(Proxy, Tcp4, AddressBlock("192.0.2.1", "198.51.100.2", 56324, 443), Tlv(2, "example.com"));

    [Fact]
    public async Task The_handler_sees_the_client_and_the_feature_has_the_proxy()
    {
        var seen = new TaskCompletionSource<(EndPoint?, EndPoint?, IProxyProtocolFeature)>();
        await using var pipeline = Create(connection =>
        {
            seen.SetResult((connection.RemoteEndPoint, connection.LocalEndPoint, connection.Features.Get<IProxyProtocolFeature>()!));
            return Task.CompletedTask;
        });
        var (server, client) = await pipeline.ConnectAsync();
        var (proxy, local) = (server.RemoteEndPoint, server.LocalEndPoint);
        await client.SendAsync(s_header);
        await pipeline.RunAsync(server).InTimeAsync();
        var (remote, own, feature) = await seen.Task;
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:56324"), remote);
        Assert.Equal(IPEndPoint.Parse("198.51.100.2:443"), own);
        Assert.Equal((proxy, local), (feature.ProxyRemoteEndPoint, feature.ProxyLocalEndPoint));
        Assert.Equal((remote, own), (feature.SourceEndPoint, feature.DestinationEndPoint));
        Assert.Equal((2, ProxyProtocolCommand.Proxy, "example.com"), (feature.Version, feature.Command, feature.Authority));
        Assert.Empty(pipeline.Rejected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(10_000)]
    public async Task What_is_behind_the_header_is_all_there_for_the_next(int piece)
    {
        byte[] data = new byte[20_000];
        new Random(7).NextBytes(data);
        byte[] received = [];
        await using var pipeline = Create(async connection => received = await connection.ReceiveToEndAsync());
        var (server, client) = await pipeline.ConnectAsync();
        var transport = server.Transport;
        var running = pipeline.RunAsync(server);
        byte[] sent = [.. s_header, .. data];
        for (var start = 0; start < sent.Length;)
        {
            // Small pieces as far as the header goes and a little further, then what is left.
            var length = start < s_header.Length + 10 ? Math.Min(piece, sent.Length - start) : sent.Length - start;
            await client.SendAsync(sent.AsMemory(start, length));
            start += length;
        }

        await client.Transport.Output.CompleteAsync();
        await running.InTimeAsync();
        Assert.Equal(data, received);
        Assert.Same(transport, server.Transport);
    }

    [Fact]
    public async Task Data_that_came_with_the_header_is_read_at_once_and_without_a_timer()
    {
        var read = new TaskCompletionSource<string>();
        await using var pipeline = Create(connection =>
        {
            read.SetResult(connection.Transport.Input.TryRead(out var result) ? Encoding.ASCII.GetString(result.Buffer) : "nothing");
            return Task.CompletedTask;
        });
        var (server, client) = await pipeline.ConnectAsync();
        await client.SendAsync((byte[])[.. s_header, .. "data"u8]);
        await pipeline.RunAsync(server).InTimeAsync();
        Assert.Equal("data", await read.Task);
        Assert.Equal(0, pipeline.Clock.Timers);
    }

    [Theory]
    [InlineData("v2-local-with-tlvs", ProxyProtocolCommand.Local)]
    [InlineData("v2-unspecified", ProxyProtocolCommand.Proxy)]
    [InlineData("v1-unknown-longest", ProxyProtocolCommand.Proxy)]
    public async Task Without_addresses_the_connection_keeps_its_own_and_a_client_that_leaves_is_no_failure(string name, ProxyProtocolCommand command)
    {
        var seen = new TaskCompletionSource<(EndPoint?, EndPoint?, ProxyProtocolCommand?)>();
        await using var pipeline = Create(async connection =>
        {
            Assert.Empty(await connection.ReceiveToEndAsync());
            seen.SetResult((connection.RemoteEndPoint, connection.LocalEndPoint, connection.Features.Get<IProxyProtocolFeature>()?.Command));
        });
        var (server, client) = await pipeline.ConnectAsync();
        var own = (server.RemoteEndPoint, server.LocalEndPoint, (ProxyProtocolCommand?)command);
        await client.SendAsync(Corpus.Valid[name]);
        await client.Transport.Output.CompleteAsync();
        await pipeline.RunAsync(server).InTimeAsync();
        Assert.Equal(own, await seen.Task);
        Assert.Empty(pipeline.Rejected);
        Assert.DoesNotContain(pipeline.Log, entry => entry.Level > LogLevel.Debug);
    }

    [Fact]
    public async Task A_sender_that_is_not_trusted_is_reset_before_a_byte_is_read()
    {
        await using var pipeline = Create(MustNotRun, options => options.TrustedNetworks.Add(IPNetwork.Parse("10.0.0.0/8")));
        var (server, client) = await pipeline.ConnectAsync(server => server.RemoteEndPoint = IPEndPoint.Parse("11.0.0.1:1"));
        await client.SendAsync(s_header);
        await pipeline.RunAsync(server).InTimeAsync();
        await client.AssertResetAsync();
        AssertRefused(pipeline, "untrusted_sender", "TrustedNetworks");
        Assert.Equal(ConnectionCloseReason.RejectedAddress, server.Reason());
    }

    [Theory]
    [InlineData("[::ffff:127.0.0.1]:1")]
    [InlineData("127.9.9.9:1")]
    public async Task A_proxy_on_IPv4_is_its_IPv4_address_on_a_listener_of_both_families(string address)
    {
        var ran = false;
        await using var pipeline = Create(_ =>
        {
            ran = true;
            return Task.CompletedTask;
        });
        var (server, client) = await pipeline.ConnectAsync(server => server.RemoteEndPoint = IPEndPoint.Parse(address));
        await client.SendAsync(s_header);
        await pipeline.RunAsync(server).InTimeAsync();
        Assert.True(ran);
    }

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(true, false, true)]
    [InlineData(false, true, true)]
    public async Task A_Unix_domain_socket_is_trusted_if_the_options_say_so(bool trustsUnix, bool trustsAll, bool isServed)
    {
        var ran = false;
        await using var pipeline = Create(
            _ =>
            {
                ran = true;
                return Task.CompletedTask;
            },
            options =>
            {
                options.TrustUnixSockets = trustsUnix;
                options.DangerousTrustAnySender = trustsAll;
                if (!trustsAll)
                {
                    options.TrustedNetworks.Add(IPNetwork.Parse("0.0.0.0/0"));
                }
            });
        var (server, client) = await pipeline.ConnectAsync(server =>
        {
            server.RemoteEndPoint = null;
            server.LocalEndPoint = new UnixDomainSocketEndPoint("/run/server");
        });
        await client.SendAsync(s_header);
        await pipeline.RunAsync(server).InTimeAsync();
        Assert.Equal(isServed, ran);
    }

    [Fact]
    public async Task A_client_that_says_nothing_is_reset_at_the_timeout()
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(server);
        pipeline.Clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(running.IsCompleted);
        pipeline.Clock.Advance(TimeSpan.FromSeconds(0.2));
        await running.InTimeAsync();
        await client.AssertResetAsync();
        AssertRefused(pipeline, "timeout", "HeaderTimeout");
        Assert.Equal(ConnectionCloseReason.HandshakeTimeout, server.Reason());
    }

    [Fact]
    public async Task The_timeout_is_for_the_whole_header_also_of_one_that_comes_byte_by_byte()
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(server);
        for (var second = 0; second < 3; second++)
        {
            Assert.False(running.IsCompleted);
            await client.SendAsync(s_header.AsMemory(second, 1));
            pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        await running.InTimeAsync();
        await client.AssertResetAsync();
        AssertRefused(pipeline, "timeout", "HeaderTimeout");
    }

    [Fact]
    public async Task The_timeout_ends_with_the_header()
    {
        var gate = new TaskCompletionSource();
        await using var pipeline = Create(_ => gate.Task);
        var (server, client) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(server);
        await client.SendAsync(s_header);
        while (server.Features.Get<IProxyProtocolFeature>() is null)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        Assert.False(running.IsCompleted);
        Assert.Equal(ConnectionCloseReason.None, server.Reason());
        gate.SetResult();
        await running.InTimeAsync();
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", "no_header")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0031\u0011\0\0", "unknown_version")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "port")]
    public async Task What_is_no_header_is_reset_and_counted_and_no_error(string text, string reason)
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        await client.SendAsync(Encoding.Latin1.GetBytes(text));
        await pipeline.RunAsync(server).InTimeAsync();
        await client.AssertResetAsync();
        AssertRefused(pipeline, reason, "");
    }

    [Fact]
    public async Task A_client_that_leaves_without_a_byte_is_no_failure_and_one_that_leaves_within_the_header_is_refused()
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        await client.Transport.Output.CompleteAsync();
        await pipeline.RunAsync(server).InTimeAsync();
        Assert.Empty(await client.ReceiveToEndAsync());
        Assert.Empty(pipeline.Rejected);
        Assert.Single(pipeline.Log, entry => entry is { Id.Id: EndedWithoutHeader, Level: LogLevel.Debug });

        (server, client) = await pipeline.ConnectAsync();
        await client.SendAsync(s_header.AsMemory(..^1));
        await client.Transport.Output.CompleteAsync();
        await pipeline.RunAsync(server).InTimeAsync();
        AssertRefused(pipeline, "ended_early", "complete");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_resets_before_its_header_is_no_failure(bool isWaitedFor)
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        var running = isWaitedFor ? pipeline.RunAsync(server) : null;
        client.Abort();
        await (running ?? pipeline.RunAsync(server)).InTimeAsync();
        Assert.Empty(pipeline.Rejected);
        Assert.DoesNotContain(pipeline.Log, entry => entry.Level > LogLevel.Debug);
    }

    [Fact]
    public async Task A_warning_comes_once_a_minute_however_many_are_refused()
    {
        await using var pipeline = Create(MustNotRun);
        for (var i = 0; i < 5; i++)
        {
            var (server, client) = await pipeline.ConnectAsync();
            await client.SendAsync("x"u8.ToArray());
            await pipeline.RunAsync(server).InTimeAsync();
            if (i == 3)
            {
                pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
            }
        }

        Assert.Equal(5, pipeline.Log.Count(entry => entry is { Id.Id: Refused, Level: LogLevel.Debug }));
        var warnings = pipeline.Log.Where(entry => entry is { Id.Id: RefusedWarning, Level: LogLevel.Warning }).ToList();
        Assert.Equal(2, warnings.Count);
        Assert.Contains("3 more", warnings[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_of_the_handler_is_the_handlers()
    {
        await using var pipeline = Create(_ => throw new IOException("The disk is full."));
        var (server, client) = await pipeline.ConnectAsync();
        await client.SendAsync(s_header);
        await Assert.ThrowsAsync<IOException>(() => pipeline.RunAsync(server)).InTimeAsync();
        (server, client) = await pipeline.ConnectAsync();
        var running = pipeline.RunAsync(server);
        await client.SendAsync(s_header);
        await Assert.ThrowsAsync<IOException>(() => running).InTimeAsync();
    }

    [Fact]
    public async Task Headers_that_went_wrong_come_to_the_same_through_the_middleware_as_through_the_parser()
    {
        var mutations = new Mutations(11);
        byte[]? received = null;
        await using var pipeline = Create(async connection => received = await connection.ReceiveToEndAsync());
        for (var i = 0; i < 5_000; i++)
        {
            var input = mutations.Next().ToArray();
            var expected = Middleware.ProxyProtocol.HeaderParser.Parse(input, Fuzz.ProxyProtocol.HeaderTarget.Rules);
            received = null;
            pipeline.Rejected.Clear();
            var (server, client) = await pipeline.ConnectAsync();
            var running = pipeline.RunAsync(server);
            for (var start = 0; start < input.Length && !running.IsCompleted;)
            {
                var length = 1 + mutations.Below(Math.Min(input.Length - start, 200));
                await client.SendAsync(input.AsMemory(start, length));
                start += length;
            }

            await client.Transport.Output.CompleteAsync();
            await running.InTimeAsync();
            if (expected.Status == Middleware.ProxyProtocol.HeaderStatus.Complete)
            {
                Assert.Equal(input[expected.Length..], received);
            }
            else
            {
                Assert.Null(received);
                Assert.Equal(input.Length == 0 ? 0 : 1, pipeline.Rejected.Count);
            }

            await client.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("TrustedNetworks is empty")]
    [InlineData("DangerousTrustAnySender")]
    [InlineData("HeaderTimeout")]
    [InlineData("Versions")]
    [InlineData("MaxHeaderSizeInBytes")]
    public void Options_that_make_no_sense_fail_when_the_pipeline_is_built(string option)
    {
        var failure = Assert.Throws<ArgumentException>(() => new ConnectionBuilder(new NoServices()).UseProxyProtocol(options =>
        {
            if (option != "TrustedNetworks is empty")
            {
                options.TrustedNetworks.Add(s_loopback);
            }

            options.DangerousTrustAnySender = option == "DangerousTrustAnySender";
            options.HeaderTimeout = option == "HeaderTimeout" ? TimeSpan.Zero : options.HeaderTimeout;
            options.Versions = option == "Versions" ? ProxyProtocolVersions.None : options.Versions;
            options.MaxHeaderSizeInBytes = option == "MaxHeaderSizeInBytes" ? 231 : options.MaxHeaderSizeInBytes;
        }));
        Assert.Contains($"ProxyProtocol:{option}", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public async Task It_works_without_services()
    {
        await using var pipeline = Create(MustNotRun);
        var (server, client) = await pipeline.ConnectAsync();
        await client.SendAsync(s_header);
        EndPoint? seen = null;
        var builder = new ConnectionBuilder(new NoServices());
        builder.UseProxyProtocol(s_loopback).Run(connection =>
        {
            seen = connection.RemoteEndPoint;
            return Task.CompletedTask;
        });
        await builder.Build()(server);
        Assert.Equal("192.0.2.1:56324", seen?.ToString());
    }

    private static Task MustNotRun(ConnectionContext connection) => throw new InvalidOperationException("The handler ran.");

    private static ReceiverPipeline Create(ConnectionDelegate handler) => Create(handler, options => options.TrustedNetworks.Add(s_loopback));

    private static ReceiverPipeline Create(ConnectionDelegate handler, Action<ProxyProtocolOptions> configure) =>
        new(builder => builder.UseProxyProtocol(configure), handler);

    private static void AssertRefused(ReceiverPipeline pipeline, string reason, string explanation)
    {
        Assert.Equal([(reason, 1L)], pipeline.Rejected);
        var entry = Assert.Single(pipeline.Log, entry => entry is { Id.Id: Refused, Level: LogLevel.Debug });
        Assert.Contains(explanation, entry.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(pipeline.Log, entry => entry.Level > LogLevel.Warning);
    }

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
