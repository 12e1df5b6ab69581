using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests;

/// <summary>Readers over bytes that are all there.</summary>
internal static class Reading
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>A reader that has read them.</summary>
    public static async Task<MessageReader<ReadOnlySequence<byte>>> OverAsync(byte[] bytes, IMessageReader<ReadOnlySequence<byte>> format)
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(bytes)), format);
        Assert.True(await reader.WaitToReadAsync());
        return reader;
    }

    public static byte[] Take(MessageReader<ReadOnlySequence<byte>> reader)
    {
        Assert.True(reader.TryRead(out var message));
        return message.ToArray();
    }

    /// <summary>The error that the next message is, and no more than that type of it.</summary>
    public static TException Fails<TException>(MessageReader<ReadOnlySequence<byte>> reader)
        where TException : MessageFormatException => Assert.IsType<TException>(Record.Exception(() => reader.TryRead(out _)));

    public static byte[] Written(byte[] message, IMessageWriter<ReadOnlySequence<byte>> format)
    {
        var output = new ArrayBufferWriter<byte>();
        format.Write(new ReadOnlySequence<byte>(message), output);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>All messages of one read.</summary>
    public static Task<List<TMessage>> AllAsync<TMessage>(ReadOnlySequence<byte> bytes, IMessageReader<TMessage> format) =>
        AllOfAsync(new MessageReader<TMessage>(PipeReader.Create(bytes), format), message => message);

    /// <summary>All messages of several reads, each of which waits until the reader needs more.</summary>
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
