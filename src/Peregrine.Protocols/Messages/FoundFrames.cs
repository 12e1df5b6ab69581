namespace Peregrine.Protocols;

/// <summary>
/// Frames that were found in one call and are taken one by one, which for a short message costs less than half of a call for each. What is in them stays in its segment.
/// </summary>
internal struct FoundFrames
{
    /// <summary>Behind a message of more bytes than this, it is not worth while.</summary>
    public const int LargestSmall = 1024;

    // 216 bytes for a connection on which messages have come together.
    private const int Most = 16;

    // As many as so many messages may have: no more is looked at before it is handed out, so that it is still in the cache then.
    private const int MostBytes = Most * LargestSmall;

    private Frame[]? _frames;
    private int _next;
    private int _end;

    public readonly bool HasOne => _next < _end;

    /// <summary>The first one. There is one.</summary>
    public Frame Take() => _frames![_next++];

    /// <summary>Finds the next ones, when all are taken. False if there is none.</summary>
    /// <param name="format">What finds them.</param>
    /// <param name="bytes">The bytes of a segment.</param>
    /// <param name="from">Where the first frame begins in it.</param>
    public bool Find(IFrameFinder format, ReadOnlySpan<byte> bytes, int from)
    {
        _frames ??= new Frame[Most];
        _next = 0;
        _end = format.Find(bytes[..(from + Math.Min(bytes.Length - from, MostBytes))], from, _frames);
        return HasOne;
    }

    /// <summary>Those that are left are not taken any more.</summary>
    public void Clear() => _next = _end = 0;
}
