using System.Buffers;
using Peregrine.Protocols;

namespace Resp;

/// <summary>What a subscriber gets.</summary>
internal readonly ref struct PublishedMessage(ReadOnlySpan<byte> channel, ReadOnlySpan<byte> content)
{
    public ReadOnlySpan<byte> Channel { get; } = channel;

    public ReadOnlySpan<byte> Content { get; } = content;

    /// <summary>The subscription is for channels of a pattern.</summary>
    public bool IsForPattern { get; init; }

    public ReadOnlySpan<byte> Pattern { get; init; }
}

internal sealed class PublishedMessageWriter : IMessageWriter<PublishedMessage>
{
    public static readonly PublishedMessageWriter Resp2 = new(RespVersion.Resp2);
    public static readonly PublishedMessageWriter Resp3 = new(RespVersion.Resp3);

    private readonly RespVersion _version;

    private PublishedMessageWriter(RespVersion version) => _version = version;

    public void Write(PublishedMessage message, IBufferWriter<byte> output)
    {
        var writer = new RespWriter(output, _version);
        writer.WritePushHeader(message.IsForPattern ? 4 : 3);
        writer.WriteBulkString(message.IsForPattern ? "pmessage"u8 : "message"u8);
        if (message.IsForPattern)
        {
            writer.WriteBulkString(message.Pattern);
        }

        writer.WriteBulkString(message.Channel);
        writer.WriteBulkString(message.Content);
    }
}
