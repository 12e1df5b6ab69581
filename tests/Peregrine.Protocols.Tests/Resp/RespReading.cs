using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Resp;

/// <summary>Reads as <see cref="MessageReader{TMessage}"/> does, of bytes that come as a test says.</summary>
internal static class RespReading
{
    /// <summary>What is read of bytes that come one by one, in segments of so many, or all at once: commands as lists of arguments, or values as text; then the error, if there is one.</summary>
    public static (List<string> Messages, MessageFormatException? Error) Read<TMessage>(
        IMessageReader<TMessage> reader, byte[] bytes, bool isByteByByte, int segmentSize, Func<TMessage, string> show)
        where TMessage : allows ref struct
    {
        var messages = new List<string>();
        var start = 0;
        var looked = 0L;
        for (var end = isByteByByte ? 1 : bytes.Length; end <= bytes.Length; end++)
        {
            while (start < end)
            {
                var input = Cut(bytes.AsMemory(start..end), segmentSize);
                var consumed = input.Start;
                var examined = input.GetPosition(looked);
                try
                {
                    var isFound = reader.TryParse(input, ref consumed, ref examined, out var message);
                    var taken = input.Slice(0, consumed).Length;
                    looked = isFound ? 0 : Math.Max(0, input.Slice(0, examined).Length - taken);
                    start += (int)taken;
                    if (!isFound)
                    {
                        break;
                    }

                    messages.Add(show(message!));
                }
                catch (MessageFormatException exception)
                {
                    return (messages, exception);
                }
            }
        }

        return (messages, null);
    }

    public static string Show(RespCommand command)
    {
        var text = new StringBuilder();
        for (var i = 0; i < command.Count; i++)
        {
            var argument = command[i].ToArray();
            Assert.Equal(argument, command.GetSequence(i).ToArray());
            text.Append('[').Append(Encoding.Latin1.GetString(argument)).Append(']');
        }

        return text.ToString();
    }

    public static string Show(RespValue value)
    {
        var text = new StringBuilder();
        if (!value.Attributes.IsNull)
        {
            text.Append(Show(value.Attributes)).Append(' ');
        }

        text.Append(value.Type);
        var content = value.Type switch
        {
            RespType.Null => "",
            RespType.Integer => FormattableString.Invariant($" {value.GetInteger()}"),
            RespType.Double => FormattableString.Invariant($" {value.GetDouble()}"),
            RespType.Boolean => $" {value.GetBoolean()}",
            RespType.VerbatimString => $" {Encoding.Latin1.GetString(value.Format)}/{Encoding.Latin1.GetString(value.Bytes)}",
            RespType.Array or RespType.Map or RespType.Attribute or RespType.Set or RespType.Push => Elements(value),
            _ => $" {Encoding.Latin1.GetString(value.Bytes)}",
        };
        return text.Append(content).ToString();
    }

    private static string Elements(RespValue value)
    {
        var elements = new List<string>();
        foreach (var element in value)
        {
            elements.Add(Show(element));
        }

        Assert.Equal(value.Count, elements.Count);
        return $"({string.Join(", ", elements)})";
    }

    private static ReadOnlySequence<byte> Cut(ReadOnlyMemory<byte> bytes, int size) =>
        Segments.Of(bytes, [.. Enumerable.Range(1, bytes.Length).Where(i => i % size == 0 && i < bytes.Length)]);
}
