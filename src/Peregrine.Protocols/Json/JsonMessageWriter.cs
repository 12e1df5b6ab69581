using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Peregrine.Protocols;

/// <summary>Objects of .NET as JSON in a framing, without white space: the other side of <see cref="JsonMessageReader{TMessage}"/>.</summary>
/// <remarks>It may be used from any thread, for any number of connections.</remarks>
public sealed class JsonMessageWriter<TMessage> : IMessageWriter<TMessage>
    where TMessage : notnull
{
    private const int MostKeptInBytes = 64 * 1024;

    private readonly IMessageWriter<ReadOnlySpan<byte>> _framing;
    private readonly JsonTypeInfo<TMessage> _type;
    private readonly JsonWriterOptions _options;

    // Whoever writes takes it, and a second one at the same time makes one of its own.
    private Scratch? _kept;

    /// <param name="framing">What writes the messages, as a <see cref="LineWriter"/> or a <see cref="JsonValueWriter"/>.</param>
    /// <param name="type">From a source-generated <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    public JsonMessageWriter(IMessageWriter<ReadOnlySpan<byte>> framing, JsonTypeInfo<TMessage> type)
    {
        ArgumentNullException.ThrowIfNull(framing);
        ArgumentNullException.ThrowIfNull(type);
        _framing = framing;
        _type = type;
        _options = new JsonWriterOptions { Encoder = type.Options.Encoder, MaxDepth = type.Options.MaxDepth };
    }

    /// <inheritdoc/>
    /// <remarks>An object that is deeper than the options of its type say is refused.</remarks>
    public void Write(TMessage message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(output);
        var scratch = Interlocked.Exchange(ref _kept, null) ?? new Scratch(_options);
        try
        {
            JsonSerializer.Serialize(scratch.Json, message, _type);
            scratch.Json.Flush();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Both are what it says of an object that is too deep, or has itself in it.
            throw new MessageFormatException($"A {typeof(TMessage).Name} cannot be said in JSON.", exception);
        }

        _framing.Write(scratch.Bytes.WrittenSpan, output);

        // Not after an exception: it ends as garbage.
        if (scratch.Bytes.Capacity <= MostKeptInBytes)
        {
            scratch.Bytes.ResetWrittenCount();
            scratch.Json.Reset();
            Volatile.Write(ref _kept, scratch);
        }
    }

    private sealed class Scratch
    {
        public Scratch(JsonWriterOptions options) => Json = new Utf8JsonWriter(Bytes, options);

        public ArrayBufferWriter<byte> Bytes { get; } = new();

        public Utf8JsonWriter Json { get; }
    }
}
