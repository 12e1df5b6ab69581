using System.Buffers;
using System.Text.Json;

namespace Peregrine.Protocols.Json;

/// <summary>The options of JSON values, checked, and the check of a value against the grammar (RFC 8259).</summary>
internal readonly struct JsonSyntax
{
    public const byte RecordSeparator = 0x1E;

    public JsonSyntax(JsonValueOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxDepth, nameof(options.MaxDepth));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxMessageSizeInBytes, 3, nameof(options.MaxMessageSizeInBytes));
        MaxDepth = options.MaxDepth;
        MaxSize = options.MaxMessageSizeInBytes;
        WritesRecordSeparator = options.WritesRecordSeparator;
    }

    public int MaxDepth { get; }

    public int MaxSize { get; }

    public bool WritesRecordSeparator { get; }

    /// <summary>Null if the bytes are one value, and nothing else but white space.</summary>
    public JsonException? FaultOf(in ReadOnlySequence<byte> value)
    {
        using var bytes = new ContiguousBytes(value);
        return FaultOf(bytes.Span);
    }

    /// <inheritdoc cref="FaultOf(in ReadOnlySequence{byte})"/>
    public JsonException? FaultOf(ReadOnlySpan<byte> value)
    {
        try
        {
            var reader = new Utf8JsonReader(value, new JsonReaderOptions { MaxDepth = MaxDepth });
            while (reader.Read())
            {
            }

            return null;
        }
        catch (JsonException exception)
        {
            return exception;
        }
    }
}
