using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>Writes messages of a format: the other side of <see cref="IMessageReader{TMessage}"/>.</summary>
/// <typeparam name="TMessage">What a message is. A view is looked at during the call only.</typeparam>
public interface IMessageWriter<in TMessage>
    where TMessage : allows ref struct
{
    /// <summary>Writes one whole message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="output">Where its bytes go. Nothing is sent during the call, and what was written is taken back if the call throws.</param>
    /// <exception cref="MessageFormatException">The message cannot be written in this format. The connection goes on without it.</exception>
    void Write(TMessage message, IBufferWriter<byte> output);
}
