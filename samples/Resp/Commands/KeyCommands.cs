using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>Commands for keys, whatever their values are.</summary>
internal sealed class KeyCommands(Store store)
{
    public IEnumerable<Command> All =>
    [
        new("del", -2, (session, command) => session.Reply.WriteInteger(Count(command, store.Remove))),
        new("unlink", -2, (session, command) => session.Reply.WriteInteger(Count(command, store.Remove))),
        new("exists", -2, (session, command) => session.Reply.WriteInteger(Count(command, key => store.Get(key) is not null))),
        new("expire", 3, (session, command) => Expire(session, command, "expire", unit: 1000)),
        new("pexpire", 3, (session, command) => Expire(session, command, "pexpire", unit: 1)),
        new("ttl", 2, (session, command) => WriteLifetime(session, command, unit: 1000)),
        new("pttl", 2, (session, command) => WriteLifetime(session, command, unit: 1)),
        new("persist", 2, (session, command) => session.Reply.WriteInteger(store.Persist(command[1]) ? 1 : 0)),
        new("dbsize", 1, (session, _) => session.Reply.WriteInteger(store.Space.Keys)),
        new("flushall", -1, Clear),
        new("flushdb", -1, Clear),
    ];

    private delegate bool KeyPredicate(ReadOnlySpan<byte> key);

    private static int Count(RespCommand command, KeyPredicate predicate)
    {
        var count = 0;
        for (var i = 1; i < command.Count; i++)
        {
            count += predicate(command[i]) ? 1 : 0;
        }

        return count;
    }

    private void Expire(Session session, RespCommand command, string name, int unit)
    {
        if (Errors.TryReadLifetime(session, name, command[2], unit, out var lifetime))
        {
            session.Reply.WriteInteger(store.SetLifetime(command[1], lifetime) ? 1 : 0);
        }
    }

    private void WriteLifetime(Session session, RespCommand command, int unit)
    {
        var milliseconds = store.LifetimeOf(command[1]);
        session.Reply.WriteInteger(milliseconds < 0 ? milliseconds : (milliseconds + (unit / 2)) / unit);
    }

    private void Clear(Session session, RespCommand command)
    {
        store.Clear();
        session.Reply.WriteSimpleString("OK"u8);
    }
}
