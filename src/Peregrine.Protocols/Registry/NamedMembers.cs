using System.Collections.Concurrent;

namespace Peregrine.Protocols.Registry;

/// <summary>Sets of connections by name: each comes with the first that joins, and is gone with the last that leaves.</summary>
internal sealed class NamedMembers
{
    private readonly ConcurrentDictionary<string, Members> _sets = new(StringComparer.Ordinal);

    public int Count => _sets.Count;

    public Members? Find(string name) => _sets.GetValueOrDefault(name);

    public Membership Add(string name, RegisteredConnection connection)
    {
        while (true)
        {
            var set = _sets.GetOrAdd(name, static _ => new Members());
            if (set.TryAdd(connection) is { } membership)
            {
                return membership;
            }

            // Its last one has left, and has not come to this: whoever is first.
            Forget(name, set);
        }
    }

    public void Remove(string name, Membership membership)
    {
        if (membership.Set.Remove(membership, retires: true))
        {
            Forget(name, membership.Set);
        }
    }

    private void Forget(string name, Members set) => _sets.TryRemove(KeyValuePair.Create(name, set));
}
