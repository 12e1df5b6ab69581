namespace Peregrine.Sockets.Connections;

/// <summary>
/// How large the next receive may be: four times the last size after one that filled its block, so that large messages cost few system
/// calls; a quarter of it after two in a row that left three quarters empty, so that small ones hold little memory.
/// </summary>
internal struct ReceiveSize
{
    private const int Factor = 4;

    private int _size;
    private bool _wasSmall;

    public readonly int Of(StreamSettings settings) => Math.Max(_size, settings.SmallestReceiveInBytes);

    /// <param name="settings">The bounds.</param>
    /// <param name="bytes">What a receive has brought.</param>
    /// <param name="free">What it had room for.</param>
    public void Note(StreamSettings settings, int bytes, int free)
    {
        var size = Of(settings);
        if (bytes == free)
        {
            _size = Math.Min(size * Factor, settings.LargestReceiveInBytes);
            _wasSmall = false;
        }
        else if (bytes >= size / Factor)
        {
            _wasSmall = false;
        }
        else if (_wasSmall)
        {
            _size = size / Factor;
            _wasSmall = false;
        }
        else
        {
            _wasSmall = true;
        }
    }
}
