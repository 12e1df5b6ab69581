using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Peregrine.Protocols.Registry;

namespace Peregrine.Protocols;

/// <summary>
/// The live connections of a server, of one endpoint or of many, by their id, by a key such as a user's name, and in groups such as the rooms of a chat; and messages to all of a
/// set at once (<see cref="ConnectionSet"/>). One is made by hand, or is a singleton of dependency injection; nobody has to dispose it.
/// </summary>
/// <remarks>
/// <para>
/// A handler registers its connection when the peer is who it says it is:
/// <code>
/// var writer = new MessageWriter(connection.Transport.Output);
/// using var registered = registry.Register(connection, writer);
/// registered.TryJoin("lobby");
/// …
/// await registry.Group("lobby").BroadcastAsync(message, format, except: registered);
/// …
/// await writer.EndAsync();
/// </code>
/// </para>
/// <para>
/// Every member is safe from any thread. Reading takes no lock, and allocates nothing; registering, joining and leaving take a lock of the set, for a time that does not depend on how
/// many are in it. What is kept is bounded by the connections that there are, and by <see cref="DefaultMaxGroupsPerConnection"/>. A group or a key with nobody
/// is gone.
/// </para>
/// </remarks>
public sealed class ConnectionRegistry
{
    /// <summary>In how many groups a connection may be, by default: 100.</summary>
    public const int DefaultMaxGroupsPerConnection = 100;

    private readonly ConcurrentDictionary<string, RegisteredConnection> _byId = new(StringComparer.Ordinal);
    private readonly Members _all = new();

    /// <param name="maxGroupsPerConnection">
    /// See <see cref="DefaultMaxGroupsPerConnection"/>: from 0. Where peers choose the groups, a peer that joins without end holds this many.
    /// </param>
    public ConnectionRegistry(int maxGroupsPerConnection = DefaultMaxGroupsPerConnection)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxGroupsPerConnection);
        MaxGroupsPerConnection = maxGroupsPerConnection;
    }

    /// <summary>All connections.</summary>
    public ConnectionSet All => new(_all);

    internal int MaxGroupsPerConnection { get; }

    internal NamedMembers Keys { get; } = new();

    internal NamedMembers Groups { get; } = new();

    /// <summary>Registers a connection, until <see cref="RegisteredConnection.Dispose"/>, or its end: <see cref="BaseConnectionContext.ConnectionClosed"/>.</summary>
    /// <param name="connection">The connection, of any transport.</param>
    /// <param name="writer">The writer of its output. What is posted to the connection waits in it, and is bounded by it.</param>
    /// <returns>What is registered. That of a connection that has ended is out already.</returns>
    /// <exception cref="InvalidOperationException">One with this <see cref="BaseConnectionContext.ConnectionId"/> is registered.</exception>
    public RegisteredConnection Register(ConnectionContext connection, MessageWriter writer)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(writer);
        var registered = new RegisteredConnection(this, connection, writer);
        if (!_byId.TryAdd(registered.Id, registered))
        {
            throw new InvalidOperationException($"A connection with the id {registered.Id} is registered.");
        }

        registered.Enter(_all);
        return registered;
    }

    /// <summary>The connection with an id: <see cref="BaseConnectionContext.ConnectionId"/>.</summary>
    public bool TryGet(string id, [NotNullWhen(true)] out RegisteredConnection? connection) => _byId.TryGetValue(id, out connection);

    /// <summary>The connections with a key (<see cref="RegisteredConnection.SetKey"/>): of a user with two devices, two. Compared by ordinals.</summary>
    public ConnectionSet WithKey(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return new ConnectionSet(Keys, key);
    }

    /// <summary>The connections in a group (<see cref="RegisteredConnection.TryJoin"/>). Compared by ordinals.</summary>
    public ConnectionSet Group(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return new ConnectionSet(Groups, name);
    }

    internal void Forget(RegisteredConnection connection) => _byId.TryRemove(KeyValuePair.Create(connection.Id, connection));
}
