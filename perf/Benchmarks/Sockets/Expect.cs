using System.Net.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>The checks of a benchmark's output, before it is measured.</summary>
internal static class Expect
{
    public static void True(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidOperationException(otherwise);
        }
    }

    public static void Same(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual) =>
        True(actual.SequenceEqual(expected), "What arrived is not what was sent.");

    /// <summary>That <paramref name="send"/> sends <paramref name="message"/> so many times.</summary>
    public static async Task ArriveAsync(Func<Task> send, Socket peer, byte[] message, int times)
    {
        var sending = send();
        var received = new byte[message.Length];
        for (var i = 0; i < times; i++)
        {
            Loopback.Receive(peer, received);
            Same(message, received);
        }

        await sending;
        True(peer.Available == 0, "More arrived than was sent.");
    }
}
