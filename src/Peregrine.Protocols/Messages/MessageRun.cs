using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>
/// Where a thread encodes small messages one behind the other, so that those that many receivers get together are one piece for each of them, and nobody joins them. A thread keeps its
/// run.
/// </summary>
internal static class MessageRun
{
    /// <summary>A longer message has an array of its own.</summary>
    public const int MostInRun = 256;

    /// <summary>In bytes. A receiver keeps a few runs at most until its flush begins, and one while that is under way; what else waits does not (<see cref="EncodedMessage.Keep"/>).</summary>
    public const int Size = 2048;

    [ThreadStatic]
    private static SharedBytes? t_bytes;

    [ThreadStatic]
    private static int t_length;

    /// <summary>The same bytes, behind the last ones. The caller holds them.</summary>
    public static SharedPart Append(ReadOnlySpan<byte> message)
    {
        if (t_bytes is not { } bytes || t_length + message.Length > Size)
        {
            var next = new SharedBytes(ArrayPool<byte>.Shared.Rent(Size));
            t_bytes?.Release();
            (t_bytes, t_length) = (next, 0);
            bytes = next;
        }

        bytes.Hold();
        var part = new SharedPart(bytes, t_length, message.Length);
        message.CopyTo(bytes.Array.AsSpan(t_length));
        t_length += message.Length;
        return part;
    }
}
