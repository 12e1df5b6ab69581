using System.Buffers;
using Peregrine.Protocols.Stomp;
using Peregrine.Protocols.WireTexts;

namespace Peregrine.Protocols;

/// <summary>A frame of STOMP 1.2 that was received: a view over its bytes. Nothing is copied, and what is not asked for is not looked up.</summary>
public readonly struct StompFrame
{
    private readonly ReadOnlySequence<byte> _bytes;
    private readonly FrameScan _parts;
    private readonly int _bodyLength;

    internal StompFrame(in ReadOnlySequence<byte> bytes, in FrameScan parts, int bodyLength)
    {
        _bytes = bytes;
        _parts = parts;
        _bodyLength = bodyLength;
    }

    /// <summary>What the frame says.</summary>
    public StompCommand Command => _parts.Command;

    /// <summary>The command as it is on the wire, also if it is none of STOMP 1.2. It is visible and has no spaces.</summary>
    public WireText CommandText => new(_bytes.Slice(0, _parts.CommandLength), Escapes.None);

    /// <summary>Its headers.</summary>
    public StompHeaders Headers =>
        new(_bytes.Slice(_parts.HeadersStart, _parts.HeadersLength), _parts.Headers, StompCommands.EscapesOf(Command));

    /// <summary>Its body, which may have any bytes, and none. The specification knows one with SEND, MESSAGE and ERROR only; the reader leaves that to the handler.</summary>
    public ReadOnlySequence<byte> Body => _bytes.Slice(_parts.BodyStart, _bodyLength);
}
