using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Datagrams;

/// <summary>sockperf as the client, which says what it missed, got twice or out of order. What comes too fast for itself on a busy machine, it misses.</summary>
public sealed class SockperfTests
{
    [RequiresProgramFact("sockperf")]
    public async Task One_message_after_the_other_comes_back() =>
        await RunAsync("ping-pong", "# dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0");

    [RequiresProgramFact("sockperf")]
    public async Task Ten_thousand_messages_a_second_come_back_once_each_and_in_order() =>
        await RunAsync("under-load --mps 10000 --reply-every 1", "# duplicated messages = 0; # out-of-order messages = 0");

    private static async Task RunAsync(string load, string expected)
    {
        await using var server = await DatagramServer.StartAsync(AnswerAsync);
        var report = await ClientProcess.RunShellAsync($"sockperf {load} -i 127.0.0.1 -p {server.Address.Port} -t 2 -m 64 2>&1");
        Assert.Contains(expected, report, StringComparison.Ordinal);
        Assert.Equal(server.Counters.Received, server.Counters.Sent);
        Assert.True(server.Counters.Received > 1_000, report);
    }

    /// <summary>An echo, but for the flag of the header that says that a client has sent it.</summary>
    private static ValueTask AnswerAsync(DatagramBatch batch, DatagramSender sender)
    {
        const int Flags = 9; // Behind the sequence number: sixteen bits in network order.
        const byte FromClient = 1;
        Span<byte> answer = stackalloc byte[64];
        foreach (ref readonly var datagram in batch)
        {
            var payload = datagram.Payload.Span;
            if (payload.Length == answer.Length)
            {
                payload.CopyTo(answer);
                answer[Flags] &= unchecked((byte)~FromClient);
                sender.TrySend(answer, datagram.Path);
            }
        }

        return default;
    }
}
