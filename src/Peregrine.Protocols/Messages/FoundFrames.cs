namespace Peregrine.Protocols;

/// <summary>Frames that were found at once, and are taken one by one.</summary>
internal struct FoundFrames
{
    public const int MostBytes = 16 * 1024;
    public const int LargestSmall = 1024;
    private const int Most = 16;

    private Frame[] _frames;
    private int _next;
    private int _end;

    public readonly bool HasOne => _next < _end;

    public Frame Take() => _frames[_next++];

    public bool Find(IFrameFinder finder, ReadOnlySpan<byte> bytes, int from)
    {
        _frames ??= new Frame[Most];
        _next = 0;
        _end = finder.Find(bytes, from, _frames);
        return _end > 0;
    }

    public void Clear() => _next = _end = 0;
}
