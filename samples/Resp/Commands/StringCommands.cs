using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>GET, SET and their kin.</summary>
internal sealed class StringCommands(Store store)
{
    public IEnumerable<Command> All =>
    [
        new("get", 2, Get),
        new("set", -3, Set),
        new("setnx", 3, SetIfMissing),
        new("setex", 4, (session, command) => SetWithLifetime(session, command, "setex", unit: 1000)),
        new("psetex", 4, (session, command) => SetWithLifetime(session, command, "psetex", unit: 1)),
        new("mget", -2, GetMany),
        new("mset", -3, SetMany),
        new("incr", 2, (session, command) => Add(session, command[1], 1)),
        new("decr", 2, (session, command) => Add(session, command[1], -1)),
        new("incrby", 3, IncreaseBy),
        new("decrby", 3, DecreaseBy),
    ];

    private static void WriteValue(RespWriter reply, byte[]? value)
    {
        if (value is null)
        {
            reply.WriteNull();
        }
        else
        {
            reply.WriteBulkString(value);
        }
    }

    private void Get(Session session, RespCommand command) => WriteValue(session.Reply, store.Get(command[1]));

    /// <summary>SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL].</summary>
    private void Set(Session session, RespCommand command)
    {
        var options = default(SetOptions);
        var returnsOld = false;
        for (var i = 3; i < command.Count; i++)
        {
            var option = command[i];
            var hasTime = options.Lifetime is not null || options.KeepsLifetime;
            if (option.Is("NX"u8) && options.Condition == SetCondition.Always)
            {
                options = options with { Condition = SetCondition.KeyIsMissing };
            }
            else if (option.Is("XX"u8) && options.Condition == SetCondition.Always)
            {
                options = options with { Condition = SetCondition.KeyExists };
            }
            else if (option.Is("GET"u8))
            {
                returnsOld = true;
            }
            else if (option.Is("KEEPTTL"u8) && !hasTime)
            {
                options = options with { KeepsLifetime = true };
            }
            else if ((option.Is("EX"u8) || option.Is("PX"u8)) && !hasTime && i + 1 < command.Count)
            {
                if (!TryReadPositiveLifetime(session, "set", command[++i], option.Is("EX"u8) ? 1000 : 1, out var lifetime))
                {
                    return;
                }

                options = options with { Lifetime = lifetime };
            }
            else
            {
                session.Reply.WriteError(Errors.Syntax);
                return;
            }
        }

        var result = store.Set(command[1], command[2], options, out var old);
        if (result == SetResult.OutOfMemory)
        {
            session.Reply.WriteError(Errors.OutOfMemory);
        }
        else if (returnsOld)
        {
            WriteValue(session.Reply, old);
        }
        else if (result == SetResult.NotMet)
        {
            session.Reply.WriteNull();
        }
        else
        {
            session.Reply.WriteSimpleString("OK"u8);
        }
    }

    private void SetIfMissing(Session session, RespCommand command)
    {
        var result = store.Set(command[1], command[2], new SetOptions(Condition: SetCondition.KeyIsMissing), out _);
        if (result == SetResult.OutOfMemory)
        {
            session.Reply.WriteError(Errors.OutOfMemory);
        }
        else
        {
            session.Reply.WriteInteger(result == SetResult.Done ? 1 : 0);
        }
    }

    private void SetWithLifetime(Session session, RespCommand command, string name, int unit)
    {
        if (TryReadPositiveLifetime(session, name, command[2], unit, out var lifetime))
        {
            WriteDone(session, store.Set(command[1], command[3], new SetOptions(lifetime), out _));
        }
    }

    private void GetMany(Session session, RespCommand command)
    {
        var reply = session.Reply;
        reply.WriteArrayHeader(command.Count - 1);
        for (var i = 1; i < command.Count; i++)
        {
            WriteValue(reply, store.Get(command[i]));
        }
    }

    /// <summary>Each key for itself: others may see some of them set, and others not yet.</summary>
    private void SetMany(Session session, RespCommand command)
    {
        if (command.Count % 2 == 0)
        {
            session.Reply.WriteError(Errors.WrongCount("mset"));
            return;
        }

        var result = SetResult.Done;
        for (var i = 1; i < command.Count && result == SetResult.Done; i += 2)
        {
            result = store.Set(command[i], command[i + 1], default, out _);
        }

        WriteDone(session, result);
    }

    private void IncreaseBy(Session session, RespCommand command)
    {
        if (Errors.TryReadInteger(session, command[2], out var delta))
        {
            Add(session, command[1], delta);
        }
    }

    private void DecreaseBy(Session session, RespCommand command)
    {
        if (!Errors.TryReadInteger(session, command[2], out var delta))
        {
            return;
        }

        if (delta == long.MinValue)
        {
            session.Reply.WriteError("ERR decrement would overflow"u8);
        }
        else
        {
            Add(session, command[1], -delta);
        }
    }

    private void Add(Session session, ReadOnlySpan<byte> key, long delta)
    {
        var reply = session.Reply;
        switch (store.Add(key, delta, out var sum))
        {
            case AddResult.NoInteger:
                reply.WriteError(Errors.NoInteger);
                break;
            case AddResult.Overflow:
                reply.WriteError("ERR increment or decrement would overflow"u8);
                break;
            case AddResult.OutOfMemory:
                reply.WriteError(Errors.OutOfMemory);
                break;
            default:
                reply.WriteInteger(sum);
                break;
        }
    }

    private static void WriteDone(Session session, SetResult result)
    {
        if (result == SetResult.OutOfMemory)
        {
            session.Reply.WriteError(Errors.OutOfMemory);
        }
        else
        {
            session.Reply.WriteSimpleString("OK"u8);
        }
    }

    private static bool TryReadPositiveLifetime(Session session, string command, ReadOnlySpan<byte> text, int unit, out long milliseconds)
    {
        if (!Errors.TryReadLifetime(session, command, text, unit, out milliseconds))
        {
            return false;
        }

        if (milliseconds <= 0)
        {
            session.Reply.WriteError(Errors.InvalidExpire(command));
            return false;
        }

        return true;
    }
}
