namespace Peregrine.Benchmarks.Sockets;

/// <summary>A message that shows when bytes are lost or swapped; the same in each run.</summary>
internal static class RandomMessage
{
    public static byte[] Of(int size)
    {
        var message = new byte[size];
        new Random(1).NextBytes(message);
        return message;
    }
}
