namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// The targets by their descriptors. What the kernel is given is number and generation: an event of a descriptor that is closed by now, whose
/// number may be another's, finds nobody.
/// </summary>
internal sealed class LoopTable
{
    private const int Smallest = 256;

    private readonly Lock _lock = new();
    private LoopTarget?[] _targets = new LoopTarget?[Smallest];

    /// <summary>What the kernel is given.</summary>
    public static long DataOf(int descriptor, LoopTarget target) => ((long)target.Generation << 32) | (uint)descriptor;

    /// <summary>Before the descriptor is added to a set.</summary>
    public void Add(int descriptor, LoopTarget target)
    {
        lock (_lock)
        {
            if (descriptor >= _targets.Length)
            {
                var larger = new LoopTarget?[Math.Max(descriptor + 1, 2 * _targets.Length)];
                _targets.CopyTo(larger, 0);

                // With all that was in the old one: a loop finds a target in either. The new target is in the new one only, and its first event is
                // after it.
                Volatile.Write(ref _targets, larger);
            }

            _targets[descriptor] = target;
        }
    }

    /// <summary>Before the descriptor is closed.</summary>
    public void Remove(int descriptor, LoopTarget target)
    {
        lock (_lock)
        {
            if (descriptor < _targets.Length && _targets[descriptor] == target)
            {
                _targets[descriptor] = null;
            }
        }
    }

    /// <summary>The target of an event; null if it is gone.</summary>
    public LoopTarget? Find(long data)
    {
        var targets = Volatile.Read(ref _targets);
        var descriptor = (int)data;
        return (uint)descriptor < (uint)targets.Length && targets[descriptor] is { } target && target.Generation == (uint)(data >> 32) ? target : null;
    }
}
