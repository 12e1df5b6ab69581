using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class WaitBufferTests
{
    private readonly StreamSettings _settings = new()
    {
        Pool = PinnedMemoryPool.Shared,
        Heartbeat = new Heartbeat(TimeProvider.System),
        Logger = NullLogger.Instance,
    };

    [Fact]
    public void It_is_small_as_long_as_the_waits_do_not_keep_filling_it()
    {
        var buffer = default(WaitBuffer);
        Assert.Equal(256, buffer.Get(_settings).Length);
        for (var i = 0; i < 100; i++)
        {
            buffer.Note(_settings, i % 8 == 0 ? 255 : 256);
            Assert.Equal(256, buffer.Get(_settings).Length);
        }
    }

    [Fact]
    public void It_grows_when_eight_waits_in_a_row_have_filled_it_and_shrinks_after_64_that_did_not_need_it()
    {
        var buffer = default(WaitBuffer);
        Assert.Equal(256, buffer.Get(_settings).Length);
        Note(ref buffer, times: 8, 256);
        Assert.Equal(2048, buffer.Get(_settings).Length);
        Note(ref buffer, times: 63, 255);
        Note(ref buffer, times: 1, 256);
        Note(ref buffer, times: 63, 255);
        Assert.Equal(2048, buffer.Get(_settings).Length);
        Note(ref buffer, times: 1, 255);
        Assert.Equal(256, buffer.Get(_settings).Length);
    }

    private void Note(ref WaitBuffer buffer, int times, int arrived)
    {
        for (var i = 0; i < times; i++)
        {
            buffer.Note(_settings, arrived);
        }
    }
}
