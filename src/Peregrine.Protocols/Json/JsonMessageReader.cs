using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Peregrine.Protocols.Json;

namespace Peregrine.Protocols;

/// <summary>
/// Objects of .NET as JSON in a framing: <c>new JsonMessageReader&lt;Order&gt;(new LineReader(), MyContext.Default.Order)</c> reads JSON lines, with a
/// <see cref="JsonValueReader"/> it reads values one behind the other, with a <see cref="LengthFieldReader"/> what its name says.
/// </summary>
/// <typeparam name="TMessage">What a message becomes. <c>null</c> is refused.</typeparam>
/// <remarks>
/// What is no JSON, or not that of a <typeparamref name="TMessage"/>, is refused with <see cref="MessageFormatException"/>. Where the framing has found the end of it, as
/// that of a line, the next one can be read. It has no state but the framing's.
/// </remarks>
public sealed class JsonMessageReader<TMessage> : IMessageReader<TMessage>
    where TMessage : notnull
{
    private readonly IMessageReader<ReadOnlySequence<byte>> _framing;
    private readonly JsonTypeInfo<TMessage> _type;
    private readonly JsonReaderOptions _options;

    /// <param name="framing">What finds the messages.</param>
    /// <param name="type">From a source-generated <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>. Its options bound the depth (64 by default).</param>
    public JsonMessageReader(IMessageReader<ReadOnlySequence<byte>> framing, JsonTypeInfo<TMessage> type)
    {
        ArgumentNullException.ThrowIfNull(framing);
        ArgumentNullException.ThrowIfNull(type);
        _framing = framing;
        _type = type;
        _options = new JsonReaderOptions
        {
            MaxDepth = type.Options.MaxDepth,
            AllowTrailingCommas = type.Options.AllowTrailingCommas,
            CommentHandling = type.Options.ReadCommentHandling,
        };
    }

    /// <summary>That of the framing.</summary>
    public int MaxMessageSizeInBytes => _framing.MaxMessageSizeInBytes;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [MaybeNullWhen(false)] out TMessage message)
    {
        var isFound = _framing.TryParse(input, ref consumed, ref examined, out var bytes);
        message = isFound ? Deserialize(bytes) : default;
        return isFound;
    }

    /// <inheritdoc/>
    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, [MaybeNullWhen(false)] out TMessage message)
    {
        var isFound = _framing.TryParseLast(input, ref consumed, out var bytes);
        message = isFound ? Deserialize(bytes) : default;
        return isFound;
    }

    /// <inheritdoc/>
    public void ReturnBuffers() => _framing.ReturnBuffers();

    private TMessage Deserialize(in ReadOnlySequence<byte> bytes)
    {
        using var contiguous = new ContiguousBytes(bytes);
        try
        {
            var reader = new Utf8JsonReader(contiguous.Span, _options);
            var message = JsonSerializer.Deserialize(ref reader, _type);

            // It throws if there is something behind the value.
            reader.Read();
            return message ?? throw new MessageFormatException("A message is null.");
        }
        catch (JsonException exception)
        {
            throw new MessageFormatException($"A message is no JSON of a {typeof(TMessage).Name}.", exception);
        }
    }
}
