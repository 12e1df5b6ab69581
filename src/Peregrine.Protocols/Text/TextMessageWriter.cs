using System.Buffers;
using System.Text;

namespace Peregrine.Protocols;

/// <summary>Text in a framing: the other side of <see cref="TextMessageReader"/>.</summary>
/// <remarks>It has no state but the framing's.</remarks>
public sealed class TextMessageWriter : IMessageWriter<string>, IMessageWriter<ReadOnlySpan<char>>
{
    private const int MostOnStackInBytes = 256;

    private readonly IMessageWriter<ReadOnlySpan<byte>> _framing;
    private readonly Encoding _encoding;

    /// <param name="framing">What writes the messages. It refuses what it cannot say, such as a line with an end in it.</param>
    /// <param name="encoding">
    /// What a message is encoded by, without a preamble. Null for UTF-8, strictly: a message that cannot be said, as one with half a surrogate pair, is refused with
    /// <see cref="MessageFormatException"/>.
    /// </param>
    public TextMessageWriter(IMessageWriter<ReadOnlySpan<byte>> framing, Encoding? encoding = null)
    {
        ArgumentNullException.ThrowIfNull(framing);
        _framing = framing;
        _encoding = encoding ?? TextMessageReader.StrictUtf8;
    }

    /// <inheritdoc/>
    public void Write(string message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(message);
        Write(message.AsSpan(), output);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<char> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        byte[]? rented = null;
        try
        {
            var length = _encoding.GetByteCount(message);
            var bytes = length <= MostOnStackInBytes ? stackalloc byte[MostOnStackInBytes] : rented = ArrayPool<byte>.Shared.Rent(length);
            _framing.Write(bytes[.._encoding.GetBytes(message, bytes)], output);
        }
        catch (EncoderFallbackException exception)
        {
            throw new MessageFormatException($"A message cannot be said in {_encoding.WebName}.", exception);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }
}
