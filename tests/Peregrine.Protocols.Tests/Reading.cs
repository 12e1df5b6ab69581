using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests;

/// <summary>All messages of an input.</summary>
internal static class Reading
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>Of one read.</summary>
    public static Task<List<TMessage>> AllAsync<TMessage>(ReadOnlySequence<byte> bytes, IMessageReader<TMessage> format) =>
        AllOfAsync(new MessageReader<TMessage>(PipeReader.Create(bytes), format), message => message);

    /// <summary>Of several reads, each of which waits until the reader needs more.</summary>
    public static Task<List<TMessage>> AllInPartsAsync<TMessage>(byte[] bytes, int[] cuts, IMessageReader<TMessage> format) =>
        AllInPartsAsync(bytes, cuts, format, message => message);

    /// <inheritdoc cref="AllInPartsAsync{TMessage}(byte[], int[], IMessageReader{TMessage})"/>
    /// <param name="bytes">All that comes.</param>
    /// <param name="cuts">Where a part of it ends.</param>
    /// <param name="format">What finds the messages.</param>
    /// <param name="keep">What is kept of a message that is a view.</param>
    public static async Task<List<TKept>> AllInPartsAsync<TMessage, TKept>(byte[] bytes, int[] cuts, IMessageReader<TMessage> format, Func<TMessage, TKept> keep)
    {
        var pipe = new Pipe(new PipeOptions(useSynchronizationContext: false, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var reading = AllOfAsync(new MessageReader<TMessage>(pipe.Reader, format), keep);
        var start = 0;
        foreach (var end in (int[])[.. cuts, bytes.Length])
        {
            await pipe.Writer.WriteAsync(bytes.AsMemory(start..end));
            start = end;
        }

        await pipe.Writer.CompleteAsync();
        return await reading.WaitAsync(s_limit, TimeProvider.System);
    }

    private static async Task<List<TKept>> AllOfAsync<TMessage, TKept>(MessageReader<TMessage> reader, Func<TMessage, TKept> keep)
    {
        var messages = new List<TKept>();
        await foreach (var message in reader.ReadAllAsync())
        {
            messages.Add(keep(message));
        }

        return messages;
    }
}
