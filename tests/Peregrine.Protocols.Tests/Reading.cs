using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests;

/// <summary>Readers over bytes that are all there.</summary>
internal static class Reading
{
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
}
