using System.Buffers;

namespace Peregrine.Protocols.Tests.Resp;

/// <summary>Commands of one argument, which is never copied.</summary>
public sealed class RespCommandSequenceTests : RespFramingContract
{
    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new CommandReader(isCopied: false);

    protected override void Write(RespWriter writer, ReadOnlySequence<byte> message)
    {
        writer.WriteArrayHeader(2);
        writer.WriteBulkString("ECHO"u8);
        writer.WriteBulkString(message);
    }
}

/// <summary>Commands of one argument, in one piece.</summary>
public sealed class RespCommandSpanTests : RespFramingContract
{
    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new CommandReader(isCopied: true);

    protected override void Write(RespWriter writer, ReadOnlySequence<byte> message)
    {
        writer.WriteArrayHeader(2);
        writer.WriteBulkString("ECHO"u8);
        writer.WriteBulkString(message.ToArray().AsSpan());
    }
}

/// <summary>Commands as a person types them, with everything in quotes.</summary>
public sealed class RespInlineTests : RespFramingContract
{
    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new CommandReader(isCopied: true);

    protected override void Write(IBufferWriter<byte> output, ReadOnlySequence<byte> message)
    {
        output.Write(" echo \""u8);
        foreach (var value in message.ToArray())
        {
            output.Write(System.Text.Encoding.ASCII.GetBytes($"\\x{value:x2}"));
        }

        output.Write("\"\r\n"u8);
    }
}

public sealed class RespBulkStringTests : RespFramingContract
{
    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new ValueReader(value => value.Bytes);

    protected override void Write(RespWriter writer, ReadOnlySequence<byte> message) => writer.WriteBulkString(message);
}

/// <summary>Values of every type around the message.</summary>
public sealed class RespNestedValueTests : RespFramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages { get; } = [([.. "\r\n"u8], [.. "\r\n"u8])];

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new ValueReader(value =>
    {
        Assert.Equal(RespType.Map, value.Type);
        var attribute = value.Attributes.GetEnumerator();
        Assert.True(attribute.MoveNext() && attribute.Current.GetString() == "ttl" && attribute.MoveNext() && attribute.Current.GetInteger() == -3);
        var pairs = value.GetEnumerator();
        Assert.True(pairs.MoveNext() && pairs.Current.GetDouble() == 0.5 && pairs.MoveNext());
        var found = default(ReadOnlySequence<byte>);
        foreach (var element in pairs.Current)
        {
            found = element.Type == RespType.BulkString ? element.Bytes : found;
        }

        Assert.True(pairs.MoveNext() && pairs.Current.IsNull && pairs.MoveNext() && pairs.Current.GetBoolean() && !pairs.MoveNext());
        return found;
    });

    protected override void Write(RespWriter writer, ReadOnlySequence<byte> message)
    {
        writer.WriteAttributeHeader(1);
        writer.WriteSimpleString("ttl"u8);
        writer.WriteInteger(-3);
        writer.WriteMapHeader(2);
        writer.WriteDouble(0.5);
        writer.WriteSetHeader(5);
        writer.WriteArrayHeader(0);
        writer.WriteAttributeHeader(0);
        writer.WriteVerbatimString("txt"u8, "some"u8);
        writer.WriteBulkString(message);
        writer.WriteBigNumber("-123456789012345678901234567890"u8);
        writer.WritePushHeader(1);
        writer.WriteBulkError("ERR two\r\nlines"u8);
        writer.WriteNull();
        writer.WriteBoolean(true);
    }
}

/// <summary>Any bytes are a message, and are read as they were written.</summary>
public abstract class RespFramingContract : FramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages { get; } =
        [.. ((byte[][])[[], [.. "\r\n"u8], [.. "$1\r\n"u8], [0, 255]]).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written;

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new Writer(Write);

    protected virtual void Write(RespWriter writer, ReadOnlySequence<byte> message) => throw new NotSupportedException();

    protected virtual void Write(IBufferWriter<byte> output, ReadOnlySequence<byte> message) => Write(new RespWriter(output, RespVersion.Resp3), message);

    private sealed class Writer(Action<IBufferWriter<byte>, ReadOnlySequence<byte>> write) : IMessageWriter<ReadOnlySequence<byte>>
    {
        public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output) => write(output, message);
    }

    protected sealed class CommandReader(bool isCopied) : IMessageReader<ReadOnlySequence<byte>>
    {
        private readonly RespCommandReader _reader = new();

        public bool TryParse(
            scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
        {
            message = default;
            if (!_reader.TryParse(input, ref consumed, ref examined, out var command))
            {
                return false;
            }

            Assert.Equal(2, command.Count);
            Assert.Equal("echo", System.Text.Encoding.ASCII.GetString(command[0]), ignoreCase: true);
            message = isCopied ? new ReadOnlySequence<byte>(command[1].ToArray()) : command.GetSequence(1);
            return true;
        }
    }

    protected sealed class ValueReader(Func<RespValue, ReadOnlySequence<byte>> messageIn) : IMessageReader<ReadOnlySequence<byte>>
    {
        private readonly RespValueReader _reader = new();

        public bool TryParse(
            scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
        {
            message = default;
            if (!_reader.TryParse(input, ref consumed, ref examined, out var value))
            {
                return false;
            }

            message = messageIn(value);
            return true;
        }
    }
}
