using System.Buffers;
using Peregrine.Protocols.Delimiters;

namespace Peregrine.Protocols;

/// <summary>
/// Messages that end with a delimiter, the first of <see cref="DelimiterOptions.Delimiters"/>. A message that has one of the delimiters in it would be two at the
/// other side, one of them of somebody else's making, and is refused; and so is one whose end would be one together with what is written behind it.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class DelimiterWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly DelimiterSet _delimiters;

    /// <inheritdoc cref="DelimiterReader(DelimiterOptions)"/>
    /// <exception cref="ArgumentException">
    /// The first delimiter is the beginning of another one: with what follows, it would be taken for that.
    /// </exception>
    public DelimiterWriter(DelimiterOptions options)
    {
        _delimiters = new DelimiterSet(options);
        if (_delimiters.FindAtStart(_delimiters.Written).Length == 0)
        {
            throw new ArgumentException("The first of Delimiters, which is written, is the beginning of another one.", nameof(options));
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        if (message.IsSingleSegment)
        {
            Write(message.FirstSpan, output);
            return;
        }

        var length = LengthOf(message.Length);
        var rented = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            message.CopyTo(rented);
            Write(rented.AsSpan(0, length), output);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        LengthOf(message.Length);
        var delimiter = _delimiters.Written;

        // Where one might begin in the message's end, it is seen with what is written behind.
        if (_delimiters.Find(message) is { Index: >= 0, Length: > 0 })
        {
            ThrowHasDelimiter();
        }

        Span<byte> joint = stackalloc byte[2 * DelimiterSet.LongestInBytes];
        var end = message[Math.Max(0, message.Length - _delimiters.Longest + 1)..];
        end.CopyTo(joint);
        delimiter.CopyTo(joint[end.Length..]);
        if (_delimiters.Find(joint[..(end.Length + delimiter.Length)]).Index != end.Length)
        {
            ThrowHasDelimiter();
        }

        output.Write(message);
        output.Write(delimiter);
    }

    private static void ThrowHasDelimiter() =>
        throw new MessageFormatException("A message has a delimiter in it, or would have one with that behind it, and would be two messages.");

    private int LengthOf(long length)
    {
        if (length + _delimiters.Written.Length is var size && size > _delimiters.MaxSize)
        {
            throw new MessageTooLargeException(size, _delimiters.MaxSize);
        }

        return (int)length;
    }
}
