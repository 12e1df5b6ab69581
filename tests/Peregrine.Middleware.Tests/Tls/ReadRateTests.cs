using System.Net.Security;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class ReadRateTests
{
    [Fact]
    public async Task While_this_side_pauses_below_TLS_the_peer_is_not_awaited()
    {
        var clock = new FakeTimeProvider();
        var isWaiting = new TaskCompletionSource<IConnectionBufferFeature>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: clock),
            builder => builder.UseReadRateLimit(1024).UseTls(options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.HandshakeTimeout = TimeSpan.FromDays(1);
            }),
            async connection =>
            {
                var input = connection.Transport.Input;
                var read = await input.ReadAtLeastAsync(10_000);
                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                var more = input.ReadAsync();
                Assert.False(more.IsCompleted);
                isWaiting.SetResult(connection.Features.Get<IConnectionBufferFeature>()!);
                await more;
            });
        var run = await pipeline.ConnectAsync();
        await using var tls = TlsTest.StreamOver(run.Client);
        var sending = SendAsync(tls);
        await PassUntilAsync(clock, () => isWaiting.Task.IsCompleted || run.Ended.IsCompleted);
        await sending.Bounded();
        var buffers = await isWaiting.Task.Bounded();
        await PassUntilAsync(clock, () => buffers.IsReadPending);

        // They come, and are paid for before they are decrypted: the handler's read still waits.
        await tls.WriteAsync(new byte[10_000]);
        await TestTimeout.UntilAsync(() => !buffers.IsReadPending);
        Assert.False(run.Ended.IsCompleted);
        await PassUntilAsync(clock, () => run.Ended.IsCompleted);
        await run.Ended;
    }

    private static Task PassUntilAsync(FakeTimeProvider clock, Func<bool> condition) => TestTimeout.UntilAsync(() =>
    {
        var isTrue = condition();
        if (!isTrue)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        return isTrue;
    });

    private static async Task SendAsync(SslStream tls)
    {
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[10_000]);
    }
}
