namespace Peregrine.Sockets.Connections;

/// <summary>
/// What the waits of one of the runtime's sockets receive into. Small, for each connection that has waited once keeps it; larger as long as the waits fill it,
/// so that what several small messages bring together needs no second receive.
/// </summary>
internal struct WaitBuffer
{
    private const int Factor = 4;
    private const int FillsToGrow = 8;
    private const int SmallOnesToShrink = 64;

    private byte[]? _bytes;
    private byte _inARow;
    private bool _wasSmall;

    public readonly int Length => _bytes!.Length;

    public readonly Span<byte> Span => _bytes;

    public byte[] Get(StreamSettings settings) => _bytes ??= Allocate(settings.WaitBufferSizeInBytes);

    /// <summary>Takes note of what a wait has brought, after it was copied: the buffer may be another one then.</summary>
    public void Note(StreamSettings settings, int arrived)
    {
        var (wasSmall, size, limit) = arrived == Length && Length < settings.LargestWaitBufferInBytes
            ? (false, Length * Factor, FillsToGrow)
            : (true, Length / Factor, SmallOnesToShrink);
        if (wasSmall && (arrived > size || size < settings.WaitBufferSizeInBytes))
        {
            _inARow = 0;
            return;
        }

        _inARow = wasSmall == _wasSmall ? (byte)(_inARow + 1) : (byte)1;
        _wasSmall = wasSmall;
        if (_inARow >= limit)
        {
            _bytes = Allocate(size);
            _inARow = 0;
        }
    }

    // Pinned where the kernel writes to it while the operation is pending.
    private static byte[] Allocate(int size) => GC.AllocateUninitializedArray<byte>(size, pinned: OperatingSystem.IsWindows());
}
