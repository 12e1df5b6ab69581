using System.Buffers.Binary;

namespace Peregrine.LoadTest.Contestants;

/// <summary>
/// What a source is asked by a datagram, and what it sends. The request: a number (8 bytes), and how many datagrams (4 bytes), all in little-endian order.
/// Each of the answers: that number, its index (4 bytes), and bytes that count up.
/// </summary>
internal readonly record struct SourceRequest(long Number, int Count)
{
    public const int SizeInBytes = 12;
    public const int AnswerSizeInBytes = 1_200;

    private const int MostAnswers = 1_024;
    private const int IndexOffset = sizeof(long);

    public static SourceRequest? TryRead(ReadOnlySpan<byte> datagram) =>
        datagram.Length == SizeInBytes && BinaryPrimitives.ReadInt32LittleEndian(datagram[IndexOffset..]) is >= 0 and <= MostAnswers and var count
            ? new SourceRequest(BinaryPrimitives.ReadInt64LittleEndian(datagram), count) : null;

    public void Write(Span<byte> datagram) => WriteHead(datagram, Count);

    /// <summary>An answer without its head.</summary>
    public static byte[] CreateAnswer() => [.. Enumerable.Range(0, AnswerSizeInBytes).Select(i => (byte)i)];

    public void WriteHead(Span<byte> answer, int index)
    {
        BinaryPrimitives.WriteInt64LittleEndian(answer, Number);
        BinaryPrimitives.WriteInt32LittleEndian(answer[IndexOffset..], index);
    }

    /// <summary>The number of the request, and the index; what follows is compared by the caller.</summary>
    public static (long Number, int Index) ReadHead(ReadOnlySpan<byte> answer) =>
        (BinaryPrimitives.ReadInt64LittleEndian(answer), BinaryPrimitives.ReadInt32LittleEndian(answer[IndexOffset..]));
}
