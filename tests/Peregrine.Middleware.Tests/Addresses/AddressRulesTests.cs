using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Addresses;

public sealed class AddressRulesTests
{
    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("::ffff:10.1.2.3", true)]
    [InlineData("10.9.0.1", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("2001:db8::1", true)]
    [InlineData("2001:db9::1", false)]
    public async Task Those_that_are_allowed_and_not_denied_come_in_and_others_are_reset_and_counted_once(string address, bool isAllowed)
    {
        var log = new RecordedLog(LogLevel.Debug);
        await using var services = Pipeline.Services(log);
        var rejected = Pipeline.CountRejected(services, out var listener);
        using var _ = listener;
        var handled = 0;
        await using var pipeline = Pipeline.Build(
            services,
            builder => builder.UseAddressRules(rules =>
            {
                rules.Allow.Add(IPNetwork.Parse("10.0.0.0/8"));
                rules.Allow.Add(IPNetwork.Parse("2001:db8::/32"));
                rules.Deny.Add(IPNetwork.Parse("10.9.0.0/16"));
            }),
            connection =>
            {
                handled++;
                return Task.CompletedTask;
            });
        var run = await pipeline.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), 1234));
        await run.Ended.Bounded();
        Assert.Equal(isAllowed ? 1 : 0, handled);
        Assert.Equal(isAllowed ? ConnectionCloseReason.None : ConnectionCloseReason.RejectedAddress, run.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        Assert.Equal(isAllowed ? [] : new Dictionary<string, long> { ["rejected_address"] = 1 }, rejected);
        Assert.Equal(isAllowed ? 0 : 1, log.WithId(30).Count(entry => entry.Level == LogLevel.Debug));
        if (!isAllowed)
        {
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await run.Client.Transport.Input.ReadAsync());
        }
    }

    [Fact]
    public async Task Many_are_one_warning()
    {
        var log = new RecordedLog(LogLevel.Debug);
        await using var pipeline = Pipeline.Build(Pipeline.Services(log), DenyAll, _ => Task.CompletedTask);
        for (var i = 0; i < 20; i++)
        {
            await (await pipeline.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 1000 + i))).Ended.Bounded();
        }

        Assert.Equal(20, log.WithId(30).Count);
        Assert.Single(log.Entries, entry => entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task A_Peregrine_server_counts_it_once_with_its_endpoint_and_the_peer_is_reset()
    {
        var log = new RecordedLog(LogLevel.Debug);
        await using var server = await Servers.PeregrineAsync(
            tcp =>
            {
                DenyAll(tcp);
                tcp.Run(Handlers.EchoAsync);
            },
            log: log);
        var rejected = Pipeline.CountRejected(server.Services, out var listener);
        using var _ = listener;
        await using var client = await server.ConnectAsync();
        await Assert.ThrowsAsync<IOException>(() => client.ReadExactlyAsync(new byte[1]).AsTask().Bounded());
        await TestTimeout.UntilAsync(() => log.WithId(10, "Peregrine.Server").Count == 1);
        Assert.Equal(new Dictionary<string, long> { ["rejected_address"] = 1 }, rejected);
        Assert.Contains("RejectedAddress", log.WithId(10, "Peregrine.Server")[0].Message, StringComparison.Ordinal);
        Assert.Single(log.WithId(30, "Peregrine.Server"));
        Assert.DoesNotContain(log.Entries, entry => entry.Category == "Peregrine.Middleware" || entry.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task It_works_inside_Kestrel()
    {
        var log = new RecordedLog(LogLevel.Debug);
        await using var server = await Servers.KestrelAsync(
            listen =>
            {
                DenyAll(listen);
                listen.Run(_ => throw new InvalidOperationException("It came in."));
            },
            log);
        await using var client = await server.ConnectAsync();
        try
        {
            Assert.Equal(0, await client.ReadAsync(new byte[1]).Bounded());
        }
        catch (IOException)
        {
            // A reset.
        }

        await TestTimeout.UntilAsync(() => log.WithId(30).Count == 1);
        Assert.DoesNotContain(log.Entries, entry => entry.Message.Contains("It came in", StringComparison.Ordinal) || entry.Level >= LogLevel.Error);
    }

    [Fact]
    public void Rules_that_are_none_are_refused() =>
        Assert.Throws<InvalidOperationException>(() => new ConnectionBuilder(Pipeline.Services()).UseAddressRules(_ => { }));

    private static void DenyAll(IConnectionBuilder builder) => builder.UseAddressRules(rules => rules.Deny.Add(IPNetwork.Parse("127.0.0.0/8")));
}
