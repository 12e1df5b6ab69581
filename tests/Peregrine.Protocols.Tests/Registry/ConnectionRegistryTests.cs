using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests.Registry;

public sealed class ConnectionRegistryTests
{
    private readonly ConnectionRegistry _registry = new();

    [Fact]
    public void A_connection_is_there_from_its_registration_to_its_disposal()
    {
        var connection = new TestConnection();
        var writer = Writer();
        var registered = _registry.Register(connection, writer);
        Assert.Same(connection, registered.Connection);
        Assert.Same(writer, registered.Writer);
        Assert.True(_registry.TryGet(connection.ConnectionId, out var found));
        Assert.Same(registered, found);
        Assert.Equal([registered], List(_registry.All));
        Assert.Equal(1, _registry.All.Count);
        registered.Dispose();
        registered.Dispose();
        Assert.False(_registry.TryGet(connection.ConnectionId, out _));
        Assert.Empty(List(_registry.All));
        Assert.Equal(0, _registry.All.Count);
    }

    [Fact]
    public void An_id_is_registered_once()
    {
        var connection = new TestConnection();
        var registered = _registry.Register(connection, Writer());
        Assert.Throws<InvalidOperationException>(() => _registry.Register(connection, Writer()));
        Assert.Equal([registered], List(_registry.All));

        // And again when it is out; the disposal of the first is not that of the second.
        registered.Dispose();
        var again = _registry.Register(connection, Writer());
        registered.Dispose();
        Assert.True(_registry.TryGet(connection.ConnectionId, out var found));
        Assert.Same(again, found);
    }

    [Fact]
    public void The_end_of_a_connection_takes_it_out_of_everything()
    {
        var connection = new TestConnection();
        var registered = _registry.Register(connection, Writer());
        registered.SetKey("alice");
        registered.TryJoin("lobby");
        connection.Close();
        Assert.False(_registry.TryGet(connection.ConnectionId, out _));
        Assert.Equal((0, 0, 0), (_registry.All.Count, _registry.WithKey("alice").Count, _registry.Group("lobby").Count));
        Assert.Equal((0, 0), (_registry.Keys.Count, _registry.Groups.Count));
        Assert.Null(registered.Key);
        Assert.Empty(registered.Groups);
        Assert.False(registered.TryJoin("lobby"));
        Assert.False(registered.SetKey("alice"));
        Assert.False(registered.Leave("lobby"));

        // One that has ended before is not left in.
        Assert.Empty(_registry.Register(connection, Writer()).Groups);
        Assert.Equal(0, _registry.All.Count);
    }

    [Fact]
    public void Several_connections_may_have_a_key_and_each_has_one()
    {
        var (phone, desk) = (Registered(), Registered());
        Assert.True(phone.SetKey("alice"));
        Assert.True(desk.SetKey("alice"));
        Assert.True(desk.SetKey("alice"));
        Assert.Equal([phone, desk], List(_registry.WithKey("alice")));
        Assert.Empty(List(_registry.WithKey("Alice")));
        desk.SetKey("bob");
        Assert.Equal("bob", desk.Key);
        Assert.Equal([phone], List(_registry.WithKey("alice")));
        Assert.Equal([desk], List(_registry.WithKey("bob")));
        phone.SetKey(null);
        desk.Dispose();
        Assert.Equal(0, _registry.Keys.Count);
    }

    [Fact]
    public void A_group_is_there_while_anybody_is_in_it()
    {
        var (one, other) = (Registered(), Registered());
        var lobby = _registry.Group("lobby");
        Assert.Equal(0, _registry.Groups.Count);
        Assert.True(one.TryJoin("lobby"));
        Assert.True(one.TryJoin("lobby"));
        Assert.True(other.TryJoin("lobby"));
        Assert.True(other.TryJoin("attic"));
        Assert.Equal([one, other], List(lobby));
        Assert.Equal(["attic", "lobby"], other.Groups.Order());
        Assert.False(one.Leave("attic"));
        Assert.True(one.Leave("lobby"));
        Assert.False(one.Leave("lobby"));
        Assert.Equal([other], List(lobby));
        other.Dispose();
        Assert.Equal(0, _registry.Groups.Count);

        // The same set finds who comes later.
        one.TryJoin("lobby");
        Assert.Equal([one], List(lobby));
    }

    [Fact]
    public void A_connection_is_in_no_more_groups_than_it_may_be()
    {
        var registry = new ConnectionRegistry(maxGroupsPerConnection: 2);
        var registered = registry.Register(new TestConnection(), Writer());
        Assert.True(registered.TryJoin("a"));
        Assert.True(registered.TryJoin("b"));
        Assert.False(registered.TryJoin("c"));
        Assert.True(registered.TryJoin("a"));
        Assert.Equal(2, registry.Groups.Count);
        registered.Leave("a");
        Assert.True(registered.TryJoin("c"));
        Assert.False(new ConnectionRegistry(maxGroupsPerConnection: 0).Register(new TestConnection(), Writer()).TryJoin("a"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ConnectionRegistry(maxGroupsPerConnection: -1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(100)]
    public void Who_leaves_and_joins_again_during_an_enumeration_is_not_met_twice(int members)
    {
        var registered = Enumerable.Range(0, members).Select(_ => Registered()).ToArray();
        Assert.All(registered, one => Assert.True(one.TryJoin("lobby")));
        var met = new List<RegisteredConnection>();
        foreach (var one in _registry.Group("lobby"))
        {
            met.Add(one);
            one.Leave("lobby");
            one.TryJoin("lobby");
        }

        Assert.Equal(registered, met);
        Assert.Equal(members, List(_registry.Group("lobby")).Count);
    }

    [Fact]
    public void Who_stays_during_an_enumeration_is_met_whatever_others_do()
    {
        var registered = Enumerable.Range(0, 100).Select(_ => Registered()).ToArray();
        var met = new List<RegisteredConnection>();
        foreach (var one in _registry.All)
        {
            met.Add(one);
            if (met.Count == 10)
            {
                // So many leave and come that the others move, to fewer slots and to more.
                Array.ForEach(registered[11..99], other => other.Dispose());
                Assert.Equal(12, List(_registry.All).Count);
                for (var i = 0; i < 300; i++)
                {
                    Registered();
                }
            }
        }

        Assert.Equal(met.Count, met.Distinct().Count());
        Assert.Superset(registered[..11].Append(registered[99]).ToHashSet(), met.ToHashSet());
        Assert.Subset(registered.ToHashSet(), met.ToHashSet());
    }

    [Fact]
    public void Nothing_is_allocated_to_enumerate_and_to_find()
    {
        for (var i = 0; i < 100; i++)
        {
            Registered().TryJoin("lobby");
        }

        var id = List(_registry.All)[0].Id;
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                var count = 0;
                foreach (var one in _registry.Group("lobby"))
                {
                    count += one.Id.Length > 0 ? 1 : 0;
                }

                Assert.True(count == _registry.All.Count && _registry.TryGet(id, out _));
            }
        }));
    }

    [Fact]
    public void To_join_and_to_leave_costs_the_same_whatever_the_number()
    {
        var (few, many) = (BytesPerJoin(100), BytesPerJoin(10_000));
        Assert.InRange(many, 0, 2 * few);

        long BytesPerJoin(int members)
        {
            var all = Enumerable.Range(0, members).Select(_ => Registered()).ToArray();
            var bytes = Allocations.LeastOf(() =>
            {
                Array.ForEach(all, one => one.TryJoin("lobby"));
                Array.ForEach(all, one => one.Leave("lobby"));
            });
            return bytes / members;
        }
    }

    [Fact]
    public void An_empty_set_has_nobody()
    {
        Assert.Empty(List(default));
        Assert.Equal(0, default(ConnectionSet).Count);
        Assert.Equal(default, default(ConnectionSet.Enumerator));
        Assert.Throws<InvalidOperationException>(() => _registry.All.GetEnumerator().Current);
    }

    private static List<RegisteredConnection> List(ConnectionSet set)
    {
        var list = new List<RegisteredConnection>();
        foreach (var connection in set)
        {
            list.Add(connection);
        }

        return list;
    }

    private static MessageWriter Writer() => new(PipeWriter.Create(Stream.Null));

    private RegisteredConnection Registered() => _registry.Register(new TestConnection(), Writer());
}
