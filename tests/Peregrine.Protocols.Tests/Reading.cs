using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests;

/// <summary>All messages of an input.</summary>
internal static class Reading
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>Of one read.</summary>
    public static Task<List<TMessage>> AllAsync<TMessage>(ReadOnlySequence<byte> bytes, IMessageReader<TMessage> format) =>
        AllOfAsync(new MessageReader<TMessage>(PipeReader.Create(bytes), format));

    /// <summary>Of several reads, each of which waits until the reader needs more.</summary>
    public static async Task<List<TMessage>> AllInPartsAsync<TMessage>(byte[] bytes, int[] cuts, IMessageReader<TMessage> format)
    {
        var pipe = new Pipe(new PipeOptions(useSynchronizationContext: false, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var reading = AllOfAsync(new MessageReader<TMessage>(pipe.Reader, format));
        var start = 0;
        foreach (var end in (int[])[.. cuts, bytes.Length])
        {
            await pipe.Writer.WriteAsync(bytes.AsMemory(start..end));
            start = end;
        }

        await pipe.Writer.CompleteAsync();
        return await reading.WaitAsync(s_limit, TimeProvider.System);
    }

    private static async Task<List<TMessage>> AllOfAsync<TMessage>(MessageReader<TMessage> reader)
    {
        var messages = new List<TMessage>();
        await foreach (var message in reader.ReadAllAsync())
        {
            messages.Add(message);
        }

        return messages;
    }
}
