using System.Runtime.InteropServices;

namespace Peregrine.Server.Admission;

/// <summary>How many connections each address has. Safe to use from any thread.</summary>
internal sealed class PeerCounts
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerNetwork, int> _counts = [];

    /// <summary>How many addresses have any.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _counts.Count;
            }
        }
    }

    /// <summary>One more, unless it has as many as it may have.</summary>
    public bool TryAdd(PeerNetwork network, int max)
    {
        lock (_lock)
        {
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_counts, network, out _);
            if (count >= max)
            {
                return false; // At least one, so that no entry is left without a connection.
            }

            count++;
            return true;
        }
    }

    public void Remove(PeerNetwork network)
    {
        lock (_lock)
        {
            ref var count = ref CollectionsMarshal.GetValueRefOrNullRef(_counts, network);
            if (--count == 0)
            {
                _counts.Remove(network);
            }
        }
    }
}
