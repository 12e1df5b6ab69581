using System.Buffers;

namespace Peregrine.Protocols.Marks;

/// <summary>The options of frames like those of HDLC, checked; and the bytes of RFC 1662, 4.2.</summary>
internal readonly struct Hdlc
{
    public const byte Flag = 0x7E;
    public const byte Escape = 0x7D;
    public const byte EscapedBit = 0x20;

    private readonly uint _controls;

    public Hdlc(HdlcOptions options)
    {
        Mark = new FrameMark(Flag, options.MaxMessageSizeInBytes);
        CheckLength = options.HasFrameCheckSequence ? FrameCheckSequence.Length : 0;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxMessageSizeInBytes, FrameMark.FewestBytes + CheckLength);
        _controls = options.ControlCharacterMap;
        var controls = _controls;
        var mapped = Enumerable.Range(0, 32).Where(value => (controls & (1u << value)) != 0).Select(value => (byte)value);
        ToEscape = SearchValues.Create([Flag, Escape, .. mapped]);
        ToDecode = SearchValues.Create([Escape, .. mapped]);
    }

    public FrameMark Mark { get; }

    /// <summary>Of the frame check sequence, or 0.</summary>
    public int CheckLength { get; }

    public SearchValues<byte> ToEscape { get; }

    /// <summary>What a frame may have in it that its message has not.</summary>
    public SearchValues<byte> ToDecode { get; }

    /// <summary>The line may have put it in.</summary>
    public bool IsMapped(byte value) => value < 32 && (_controls & (1u << value)) != 0;
}
