using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>
/// Where a thread encodes small messages one behind the other, so that those that many receivers get together are one piece for each of them, which is sent without a copy.
/// </summary>
internal static class MessageRun
{
    /// <summary>A longer message has an array of its own.</summary>
    public const int MostInRun = 256;

    /// <summary>In bytes. A slow receiver keeps one run at most, while that is on its way to it; what waits behind that does not (<see cref="EncodedMessage.Keep"/>).</summary>
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
            t_bytes?.Release();
            t_bytes = bytes = new SharedBytes(ArrayPool<byte>.Shared.Rent(Size));
            t_length = 0;
        }

        bytes.Hold();
        var part = new SharedPart(bytes, t_length, message.Length);
        message.CopyTo(bytes.Array.AsSpan(t_length));
        t_length += message.Length;
        return part;
    }
}
