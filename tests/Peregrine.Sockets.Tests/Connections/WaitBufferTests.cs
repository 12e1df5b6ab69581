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
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(128, buffer.Get(_settings).Length);
            buffer.Note(_settings, i % 8 == 0 ? 127 : 128);
        }
    }

    [Fact]
    public void It_grows_fourfold_when_eight_waits_in_a_row_have_filled_it_to_2_KiB_at_most()
    {
        var buffer = default(WaitBuffer);
        var sizes = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            sizes.Add(buffer.Get(_settings).Length);
            Note(ref buffer, times: 8, sizes[^1]);
        }

        Assert.Equal([128, 512, 2048, 2048], sizes);
    }

    [Fact]
    public void It_shrinks_after_64_in_a_row_that_fit_the_smaller_size()
    {
        var buffer = default(WaitBuffer);
        _ = buffer.Get(_settings);
        Note(ref buffer, times: 8, 128);
        Note(ref buffer, times: 63, 128);
        Note(ref buffer, times: 1, 129);
        Note(ref buffer, times: 63, 128);
        Assert.Equal(512, buffer.Get(_settings).Length);
        Note(ref buffer, times: 1, 1);
        Assert.Equal(128, buffer.Get(_settings).Length);
    }

    private void Note(ref WaitBuffer buffer, int times, int arrived)
    {
        for (var i = 0; i < times; i++)
        {
            buffer.Note(_settings, arrived);
        }
    }
}
