using Peregrine.Middleware.Tls;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class TlsTurnTests
{
    private TlsTurn _turn;

    [Fact]
    public void A_shutdown_waits_for_a_read_that_decrypts()
    {
        _turn.BeginDecrypting();
        Assert.False(_turn.TryBeginShutDown());
        Assert.True(_turn.EndDecrypting());
        Assert.True(_turn.TryBeginShutDown());
        _turn.EndShutDown();
        Assert.False(_turn.EndDecrypting());
    }

    [Fact]
    public async Task A_read_waits_for_a_shutdown_and_does_not_end_it()
    {
        Assert.True(_turn.TryBeginShutDown());
        Assert.False(_turn.EndDecrypting());
        var reading = Task.Run(() => _turn.BeginDecrypting());
        await Task.WhenAny(reading, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System));
        Assert.False(reading.IsCompleted);
        _turn.EndShutDown();
        await reading.WaitAsync(TlsTest.Limit, TimeProvider.System);
        Assert.False(_turn.TryBeginShutDown());
    }
}
