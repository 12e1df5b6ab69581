using Peregrine.Features;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests.Timeouts;

public sealed class PeerProgressTests
{
    private const int WriteProgress = 3_000;

    private static readonly TimeoutValues s_values = new(0, 0, 0, WriteProgress, 0, 0);

    [Fact]
    public void A_send_that_waits_and_is_taken_bit_by_bit_is_progress_although_none_of_it_counts_as_sent()
    {
        // What the kernel holds stays the same: it takes as much of the send as the peer acknowledges.
        var connection = new Counts { BytesSent = 20_000, UnacknowledgedBytes = 20_000, IsSendPending = true };
        var progress = new PeerProgress(0);
        for (uint now = 1_000; now <= 60_000; now += 1_000)
        {
            connection.AcknowledgedBytes += 1_000;
            Assert.Equal(ConnectionCloseReason.None, progress.Look(now, 1_000, connection, connection, s_values, isClosing: false));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_of_which_nothing_is_taken_is_over_in_time(bool isSendPending)
    {
        var connection = new Counts { BytesSent = 20_000, UnacknowledgedBytes = 20_000, IsSendPending = isSendPending };
        var progress = new PeerProgress(0);
        for (uint now = 1_000; now <= WriteProgress; now += 1_000)
        {
            Assert.Equal(ConnectionCloseReason.None, progress.Look(now, 1_000, connection, connection, s_values, isClosing: false));
        }

        Assert.Equal(ConnectionCloseReason.WriteTimeout, progress.Look(WriteProgress + 1_000, 1_000, connection, connection, s_values, isClosing: false));
    }

    [Theory]
    [InlineData(0, true, true)]
    [InlineData(0, false, false)]
    [InlineData(10, true, true)]
    [InlineData(10, false, false)]
    public void A_peer_is_idle_while_the_handler_waits_for_it_and_not_while_it_waits_for_the_handler(long unread, bool isReadPending, bool isIdle)
    {
        var connection = new Counts { UnreadBytes = unread, IsReadPending = isReadPending };
        var values = new TimeoutValues(0, 0, 5_000, 0, 0, 0);
        var progress = new PeerProgress(0);
        var ended = ConnectionCloseReason.None;
        for (uint now = 1_000; now <= 20_000 && ended == ConnectionCloseReason.None; now += 1_000)
        {
            ended = progress.Look(now, 1_000, connection, connection, values, isClosing: false);
        }

        Assert.Equal(isIdle ? ConnectionCloseReason.IdleTimeout : ConnectionCloseReason.None, ended);
    }

    private sealed class Counts : IConnectionByteCountFeature, IConnectionBufferFeature
    {
        public long BytesReceived => 0;

        public long BytesSent { get; set; }

        public long UnreadBytes { get; set; }

        public long UnreadMemoryInBytes => UnreadBytes;

        public long UnsentBytes => 64_000;

        public long? UnacknowledgedBytes { get; set; }

        public long? AcknowledgedBytes { get; set; } = 0;

        public long? UnreceivedBytes => 0;

        public bool IsReadPending { get; set; }

        public bool IsSendPending { get; set; }

        public IUnsentBytesLimit? UnsentBytesLimit { get; set; }
    }
}
