using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using XorMiddleware;

namespace Peregrine.Middleware.Tests.Samples;

/// <summary>The middleware that docs/writing-middleware.md builds.</summary>
public sealed class XorTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_are_hidden_on_the_wire_and_plain_for_the_handler(bool inKestrel)
    {
        var seen = new TaskCompletionSource<string>();
        void Configure(IConnectionBuilder tcp) => tcp.UseXor(0x20).UseTimeouts(timeouts => timeouts.Idle = TimeSpan.FromMinutes(1)).Run(async connection =>
        {
            var read = await connection.Transport.Input.ReadAtLeastAsync(5);
            seen.SetResult(Encoding.ASCII.GetString(read.Buffer));
            connection.Transport.Input.AdvanceTo(read.Buffer.Start);
            await Handlers.EchoAsync(connection);
        });
        await using var server = inKestrel ? await Servers.KestrelAsync(Configure) : await Servers.PeregrineAsync(Configure);
        await using var client = await server.ConnectAsync();
        await client.WriteAsync("Hello"u8.ToArray());
        Assert.Equal("hELLO", await seen.Task.Bounded());
        var answer = new byte[5];
        await client.ReadExactlyAsync(answer).AsTask().Bounded();
        Assert.Equal("Hello"u8.ToArray(), answer);

        var large = new byte[3 << 20];
        new Random(1).NextBytes(large);
        var sending = client.WriteAsync(large).AsTask();
        var received = new byte[large.Length];
        await client.ReadExactlyAsync(received).AsTask().Bounded();
        await sending.Bounded();
        Assert.Equal(large, received);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_sides_tell_each_other_their_keys(bool inKestrel)
    {
        var told = new TaskCompletionSource<XorKeys>();
        void Configure(IConnectionBuilder tcp) => tcp.UseXor().Run(connection =>
        {
            told.SetResult(connection.Features.Get<XorKeys>()!);
            return Handlers.EchoAsync(connection);
        });
        await using var server = inKestrel ? await Servers.KestrelAsync(Configure) : await Servers.PeregrineAsync(Configure);
        await using var client = await server.ConnectAsync();
        await client.WriteAsync(new byte[] { 7, 7 ^ 100 });
        var answer = new byte[2];
        await client.ReadExactlyAsync(answer).AsTask().Bounded();
        var keys = await told.Task.Bounded();
        Assert.Equal((7, answer[0]), (keys.Received, keys.Sent));
        Assert.Equal(100, answer[1] ^ answer[0]);
    }

    [Fact]
    public async Task A_peer_that_tells_no_key_has_the_time_of_a_handshake()
    {
        var clock = new FakeTimeProvider();
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: clock),
            builder => builder.UseTimeouts(timeouts => timeouts.Handshake = TimeSpan.FromSeconds(10)).UseXor(),
            _ => throw new InvalidOperationException("There is no key."));
        var run = await pipeline.ConnectAsync();
        for (var i = 0; i < 12; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => run.Ended.Bounded());
        Assert.Equal(ConnectionCloseReason.HandshakeTimeout, run.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
    }

    [Fact]
    public async Task A_peer_that_ends_before_its_key_ends_the_connection_without_a_failure()
    {
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(), builder => builder.UseXor(), _ => throw new InvalidOperationException("There is no key."));
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
    }

    [Theory]
    [InlineData("XorReader.cs")]
    [InlineData("XorWriter.cs")]
    [InlineData("XorExtensions.cs")]
    [InlineData("Program.cs")]
    public void The_page_shows_the_sample_as_it_is(string file) => Repository.ShowsSample("writing-middleware.md", "XorMiddleware", file);
}
