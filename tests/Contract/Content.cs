using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Contract;

/// <summary>Bytes that depend on their position in the stream: a lost, doubled or moved byte shows at once.</summary>
public static class Content
{
    public static byte At(long position) => (byte)(((ulong)position * 0x9E37_79B9_7F4A_7C15UL) >> 56);

    public static void Fill(Span<byte> destination, long position)
    {
        for (int i = 0; i < destination.Length; i++)
            destination[i] = At(position + i);
    }

    public static byte[] Create(long position, int count)
    {
        var bytes = new byte[count];
        Fill(bytes, position);
        return bytes;
    }

    public static void Verify(in ReadOnlySequence<byte> actual, long position)
    {
        foreach (var segment in actual)
        {
            Verify(segment.Span, position);
            position += segment.Length;
        }
    }

    public static void Verify(ReadOnlySpan<byte> actual, long position)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            if (actual[i] != At(position + i))
                Assert.Fail($"Byte {position + i} is {actual[i]}, not {At(position + i)}.");
        }
    }

    /// <summary>Sends bytes and requires that the flush succeeded.</summary>
    public static async Task SendAsync(this PipeWriter writer, long position, int count)
    {
        var result = await writer.WriteAsync(Create(position, count));
        Assert.False(result.IsCanceled);
        Assert.False(result.IsCompleted);
    }

    /// <summary>Copies bytes into the writer's own memory, in pieces of whatever size it gives, without a flush.</summary>
    public static void Buffer(this PipeWriter writer, long position, int count)
    {
        while (count > 0)
        {
            var span = writer.GetSpan();
            int step = Math.Min(span.Length, count);
            Fill(span[..step], position);
            writer.Advance(step);
            position += step;
            count -= step;
        }
    }

    /// <summary>Reads until at least <paramref name="count"/> bytes are there; the result is not advanced.</summary>
    public static async Task<ReadResult> ReadUntilAsync(this PipeReader reader, int count)
    {
        while (true)
        {
            var result = await reader.ReadAsync();
            Assert.False(result.IsCanceled);
            if (result.Buffer.Length >= count)
                return result;
            Assert.False(result.IsCompleted, $"The stream ended after {result.Buffer.Length} of {count} bytes.");
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>Reads, verifies and consumes exactly <paramref name="count"/> bytes.</summary>
    public static async Task ReceiveAsync(this PipeReader reader, long position, int count)
    {
        while (count > 0)
        {
            var result = await reader.ReadAsync();
            Assert.False(result.IsCanceled);
            var taken = result.Buffer.Slice(0, Math.Min(count, result.Buffer.Length));
            Verify(taken, position);
            position += taken.Length;
            count -= (int)taken.Length;
            reader.AdvanceTo(taken.End);
            if (count > 0)
                Assert.False(result.IsCompleted, $"The stream ended {count} bytes early.");
        }
    }

    /// <summary>Reads and verifies everything up to the stream's end, which is left unread no further.</summary>
    /// <returns>The position of the end.</returns>
    public static async Task<long> ReceiveToEndAsync(this PipeReader reader, long position = 0)
    {
        while (true)
        {
            var result = await reader.ReadAsync();
            Assert.False(result.IsCanceled);
            Verify(result.Buffer, position);
            position += result.Buffer.Length;
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                return position;
        }
    }
}
