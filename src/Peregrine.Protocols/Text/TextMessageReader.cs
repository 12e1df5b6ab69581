using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Peregrine.Protocols;

/// <summary>Text in a framing: <c>new TextMessageReader(new LineReader())</c> reads lines of UTF-8.</summary>
/// <remarks>It has no state but the framing's.</remarks>
public sealed class TextMessageReader : IMessageReader<string>
{
    private readonly IMessageReader<ReadOnlySequence<byte>> _framing;
    private readonly Encoding _encoding;

    /// <param name="framing">
    /// What finds the messages. It looks at bytes: one that ends them by marks, as lines, is for an encoding in which no part of another character looks
    /// like a mark, as in UTF-8, ASCII and the ISO 8859 family; not UTF-16.
    /// </param>
    /// <param name="encoding">
    /// What a message is decoded by. Null for UTF-8, strictly: a message whose bytes are none is refused with <see cref="MessageFormatException"/>, and the next
    /// one can be read. An encoding that replaces what it does not know, such as <see cref="Encoding.UTF8"/>, refuses nothing.
    /// </param>
    public TextMessageReader(IMessageReader<ReadOnlySequence<byte>> framing, Encoding? encoding = null)
    {
        ArgumentNullException.ThrowIfNull(framing);
        _framing = framing;
        _encoding = encoding ?? StrictUtf8;
    }

    internal static Encoding StrictUtf8 { get; } = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>That of the framing.</summary>
    public int MaxMessageSizeInBytes => _framing.MaxMessageSizeInBytes;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [MaybeNullWhen(false)] out string message)
    {
        message = _framing.TryParse(input, ref consumed, ref examined, out var bytes) ? Decode(bytes) : null;
        return message is not null;
    }

    /// <inheritdoc/>
    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, [MaybeNullWhen(false)] out string message)
    {
        message = _framing.TryParseLast(input, ref consumed, out var bytes) ? Decode(bytes) : null;
        return message is not null;
    }

    /// <inheritdoc/>
    public void ReturnBuffers() => _framing.ReturnBuffers();

    private string Decode(in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return _encoding.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw new MessageFormatException($"A message is no text in {_encoding.WebName}.", exception);
        }
    }
}
