using System.Buffers;
using System.Buffers.Text;
using Peregrine.Protocols.Stomp;

namespace Peregrine.Protocols;

/// <summary>Frames of STOMP 1.2, of clients and of servers, and heart-beats between them. Lines end with a line feed alone.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class StompWriter : IMessageWriter<StompFrameBuilder>, IMessageWriter<StompHeartBeat>
{
    private readonly StompLimits _limits;
    private readonly bool _writesContentLength;

    /// <inheritdoc cref="StompReader(StompOptions?)"/>
    public StompWriter(StompOptions? options = null)
    {
        options ??= new StompOptions();
        _limits = new StompLimits(options);
        _writesContentLength = options.WritesContentLength;
    }

    /// <inheritdoc/>
    /// <remarks>A body that the command must not have, and one with a NUL where no length is written, are refused; so is what is above a limit of <see cref="StompOptions"/>.</remarks>
    public void Write(StompFrameBuilder message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(output);
        var command = StompCommands.LineOf(message.Command);
        var body = message.Body;
        var mayHaveBody = StompCommands.MayHaveBody(message.Command);
        var hasLength = mayHaveBody && _writesContentLength;
        if (!mayHaveBody && !body.IsEmpty)
        {
            throw new MessageFormatException($"A frame of {message.Command} has a body, which only SEND, MESSAGE and ERROR may have.");
        }

        if (!hasLength && body.PositionOf((byte)0) is not null)
        {
            throw new MessageFormatException("A body with a NUL in it needs its content-length: see WritesContentLength.");
        }

        Span<byte> length = stackalloc byte[40];
        "content-length:"u8.CopyTo(length);
        Utf8Formatter.TryFormat(body.Length, length["content-length:".Length..], out var digits);
        length = hasLength ? length[..("content-length:".Length + digits + 1)] : [];
        _limits.CheckLine(Math.Max(Math.Max(command.Length, length.Length) - 1, message.LongestLine));
        _limits.CheckHeaders(message.HeaderCount + (hasLength ? 1 : 0));
        _limits.CheckBody(body.Length);
        _limits.CheckFrame(command.Length + length.Length + message.Lines.Length + 1L + body.Length + 1);

        output.Write(command);
        if (hasLength)
        {
            length[^1] = (byte)'\n';
            output.Write(length);
        }

        output.Write(message.Lines);
        output.Write("\n"u8);
        output.Write(body);
        output.Write("\0"u8);
    }

    /// <inheritdoc/>
    public void Write(StompHeartBeat message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        output.Write("\n"u8);
    }
}
