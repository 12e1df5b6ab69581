using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Peregrine.Protocols;

namespace Chat;

/// <summary>Who is where, under which name. Safe from any thread.</summary>
public sealed class ChatRooms(ConnectionRegistry registry, SlowReceiverPolicy slowReaders)
{
    private readonly ConcurrentDictionary<string, RegisteredConnection> _byName = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>How everything is written: a line of UTF-8.</summary>
    public static TextMessageWriter Lines { get; } = new(new LineWriter(new LineOptions()));

    public RegisteredConnection Enter(MessageContext<string> context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return registry.Register(context.Connection, context.Writer);
    }

    /// <summary>Takes a name, in place of the one before. False if somebody has it.</summary>
    public bool TryTakeName(RegisteredConnection member, string name, string before)
    {
        ArgumentNullException.ThrowIfNull(member);
        if (!_byName.TryAdd(name, member))
        {
            return false;
        }

        // Not by the key, which a connection that has ended has no more.
        member.SetKey(name);
        Free(member, before);
        return true;
    }

    public void Leave(RegisteredConnection member, string name)
    {
        ArgumentNullException.ThrowIfNull(member);
        member.Dispose();
        Free(member, name);
    }

    public bool TryFind(string name, [NotNullWhen(true)] out RegisteredConnection? member) => _byName.TryGetValue(name, out member);

    /// <summary>The names of those in a room.</summary>
    public IEnumerable<string> NamesIn(string room)
    {
        foreach (var member in registry.Group(room))
        {
            if (member.Key is { } name)
            {
                yield return name;
            }
        }
    }

    /// <summary>Tells something to everybody in a room. Nobody waits for a reader that is slow.</summary>
    public async ValueTask SayAsync(string room, string text, RegisteredConnection? except = null) =>
        await registry.Group(room).BroadcastAsync(text, Lines, slowReaders, except);

    private void Free(RegisteredConnection member, string name) => _byName.TryRemove(KeyValuePair.Create(name, member));
}
