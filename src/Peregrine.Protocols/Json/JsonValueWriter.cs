using System.Buffers;
using Peregrine.Protocols.Json;

namespace Peregrine.Protocols;

/// <summary>
/// JSON values (RFC 8259), each with a line feed behind it, and with a record separator in front of it where that is wished (RFC 7464). A message is one value, and is written
/// as it is; what is none, or more than one, is refused.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class JsonValueWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly JsonSyntax _syntax;

    /// <inheritdoc cref="JsonValueReader(JsonValueOptions?)"/>
    public JsonValueWriter(JsonValueOptions? options = null) => _syntax = new JsonSyntax(options ?? new JsonValueOptions());

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooLarge(message.Length);
        if (_syntax.FaultOf(message) is { } fault)
        {
            throw JsonValueReader.NoJson(fault);
        }

        WriteSeparator(output);
        foreach (var segment in message)
        {
            output.Write(segment.Span);
        }

        output.Write("\n"u8);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooLarge(message.Length);
        if (_syntax.FaultOf(message) is { } fault)
        {
            throw JsonValueReader.NoJson(fault);
        }

        WriteSeparator(output);
        output.Write(message);
        output.Write("\n"u8);
    }

    private void WriteSeparator(IBufferWriter<byte> output)
    {
        if (_syntax.WritesRecordSeparator)
        {
            output.Write([JsonSyntax.RecordSeparator]);
        }
    }

    private void ThrowIfTooLarge(long length)
    {
        if (length + (_syntax.WritesRecordSeparator ? 2 : 1) is var size && size > _syntax.MaxSize)
        {
            throw new MessageTooLargeException(size, _syntax.MaxSize);
        }
    }
}
