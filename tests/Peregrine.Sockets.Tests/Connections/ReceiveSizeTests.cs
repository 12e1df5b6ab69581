using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class ReceiveSizeTests
{
    private readonly StreamSettings _settings = new()
    {
        Pool = PinnedMemoryPool.Shared,
        Heartbeat = new Heartbeat(TimeProvider.System),
        Logger = NullLogger.Instance,
    };

    [Fact]
    public void It_grows_from_4_to_256_KiB_while_receives_fill_their_block()
    {
        var size = default(ReceiveSize);
        var sizes = new List<int>();
        for (var i = 0; i < 5; i++)
        {
            sizes.Add(size.Of(_settings));
            size.Note(_settings, sizes[^1], sizes[^1]);
        }

        Assert.Equal([4096, 16_384, 65_536, 262_144, 262_144], sizes);
    }

    [Fact]
    public void It_shrinks_after_two_small_receives_in_a_row()
    {
        var size = Largest();
        size.Note(_settings, 100, 262_144);
        Assert.Equal(262_144, size.Of(_settings));
        size.Note(_settings, 100, 262_144);
        Assert.Equal(65_536, size.Of(_settings));
        for (var i = 0; i < 10; i++)
        {
            size.Note(_settings, 1, size.Of(_settings));
        }

        Assert.Equal(4096, size.Of(_settings));
    }

    [Fact]
    public void One_small_receive_between_large_ones_changes_nothing()
    {
        var size = Largest();
        for (var i = 0; i < 10; i++)
        {
            size.Note(_settings, 100, 262_144);
            size.Note(_settings, 100_000, 262_144);
        }

        Assert.Equal(262_144, size.Of(_settings));
    }

    [Fact]
    public void A_message_a_little_larger_than_a_block_costs_no_more_every_second_time()
    {
        const int Message = 16_406; // A record of TLS.
        var size = default(ReceiveSize);
        var sizes = new List<int>();
        for (var i = 0; i < 20; i++)
        {
            sizes.Add(size.Of(_settings));
            var received = 0;
            while (received < Message)
            {
                var free = size.Of(_settings);
                var bytes = Math.Min(free, Message - received);
                size.Note(_settings, bytes, free);
                received += bytes;
            }
        }

        Assert.All(sizes[2..], later => Assert.Equal(65_536, later));
    }

    private ReceiveSize Largest()
    {
        var size = default(ReceiveSize);
        for (var i = 0; i < 4; i++)
        {
            size.Note(_settings, size.Of(_settings), size.Of(_settings));
        }

        return size;
    }
}
