using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Peregrine.Protocols.LengthFields;

/// <summary>The options of a length field, checked and in a form that can be counted with.</summary>
internal readonly struct LengthField
{
    public const int LargestWidth = 8;

    /// <summary>Also not a frame of no bytes, which would be found again and again.</summary>
    private readonly int _least;

    public LengthField(LengthFieldOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        if (options.Width is not (1 or 2 or 3 or 4 or 8))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Width, "Width takes 1, 2, 3, 4 or 8.");
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Offset, options.MaxMessageSizeInBytes - options.Width);
        HeaderLength = options.Offset + options.Width;
        BytesToStrip = options.BytesToStrip ?? HeaderLength;
        ArgumentOutOfRangeException.ThrowIfNegative(BytesToStrip);
        Offset = options.Offset;
        Width = options.Width;
        IsLittleEndian = options.IsLittleEndian;
        MaxFrameLength = options.MaxMessageSizeInBytes;
        _least = Math.Max(HeaderLength, BytesToStrip);
        NotCounted = (long)options.Adjustment + (options.CountsHeader ? 0 : HeaderLength);
    }

    public int Offset { get; }

    public int Width { get; }

    /// <summary>Up to the end of the length.</summary>
    public int HeaderLength { get; }

    public int BytesToStrip { get; }

    public int MaxFrameLength { get; }

    private bool IsLittleEndian { get; }

    /// <summary>What a frame has more than its length says.</summary>
    private long NotCounted { get; }

    /// <summary>How long a frame is.</summary>
    /// <param name="field">The bytes of its length.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int FrameLengthOf(scoped ReadOnlySpan<byte> field)
    {
        var counted = Read(field);
        var length = LengthOf(counted);
        if (!IsFit(length))
        {
            ThrowUnfit(counted, length);
        }

        return (int)length;
    }

    /// <inheritdoc cref="IFrameFinder.Find"/>
    public int Find(ReadOnlySpan<byte> bytes, int from, Span<Frame> frames)
    {
        var count = 0;
        for (var at = from; count < frames.Length && bytes.Length - at >= HeaderLength; count++)
        {
            var length = LengthOf(Read(bytes.Slice(at + Offset, Width)));
            if (!IsFit(length) || length > bytes.Length - at)
            {
                break;
            }

            var next = at + (int)length;
            frames[count] = new Frame(at + BytesToStrip, next, next);
            at = next;
        }

        return count;
    }

    /// <summary>Writes the length of a frame.</summary>
    public void WriteLength(Span<byte> field, long frameLength)
    {
        if (frameLength > MaxFrameLength)
        {
            throw new MessageTooLargeException(frameLength, MaxFrameLength);
        }

        var counted = frameLength - NotCounted;
        if (counted < 0 || (Width < 8 && counted >= 1L << (8 * Width)))
        {
            throw new MessageFormatException($"A frame of {frameLength} bytes has a length of {counted}, which {Width} bytes cannot say.");
        }

        Span<byte> bytes = stackalloc byte[LargestWidth];
        if (IsLittleEndian)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, counted);
            bytes[..Width].CopyTo(field);
        }
        else
        {
            BinaryPrimitives.WriteInt64BigEndian(bytes, counted);
            bytes[^Width..].CopyTo(field);
        }
    }

    // Nothing that would not be added safely.
    private long LengthOf(ulong counted) => counted > (ulong)int.MaxValue + int.MaxValue ? long.MaxValue : (long)counted + NotCounted;

    private bool IsFit(long length) => length <= MaxFrameLength && length >= _least;

    [DoesNotReturn]
    private void ThrowUnfit(ulong counted, long length) => throw (
        length == long.MaxValue ? new MessageTooLargeException($"A length of {counted} is larger than MaxMessageSizeInBytes ({MaxFrameLength}).")
        : length > MaxFrameLength ? new MessageTooLargeException(length, MaxFrameLength)
        : new MessageFormatException($"A length of {counted} makes a frame of {length} bytes, which is less than its own beginning."));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Read(scoped ReadOnlySpan<byte> field) => (Width, IsLittleEndian) switch
    {
        (1, _) => field[0],
        (2, false) => BinaryPrimitives.ReadUInt16BigEndian(field),
        (2, true) => BinaryPrimitives.ReadUInt16LittleEndian(field),
        (3, false) => (uint)((field[0] << 16) | (field[1] << 8) | field[2]),
        (3, true) => (uint)(field[0] | (field[1] << 8) | (field[2] << 16)),
        (4, false) => BinaryPrimitives.ReadUInt32BigEndian(field),
        (4, true) => BinaryPrimitives.ReadUInt32LittleEndian(field),
        (_, false) => BinaryPrimitives.ReadUInt64BigEndian(field),
        (_, true) => BinaryPrimitives.ReadUInt64LittleEndian(field),
    };
}
