using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>PING, ECHO, HELLO, CLIENT, SELECT, QUIT.</summary>
internal static class ConnectionCommands
{
    public static IEnumerable<Command> All =>
    [
        new("ping", -1, Ping) { IsForSubscribers = true },
        new("echo", 2, (session, command) => session.Reply.WriteBulkString(command[1])),
        new("hello", -1, Hello),
        new("client", -2, Client),
        new("select", 2, Select),
        new("quit", -1, Quit) { IsForSubscribers = true },
    ];

    private static void Ping(Session session, RespCommand command)
    {
        var reply = session.Reply;
        if (command.Count > 2)
        {
            reply.WriteError(Errors.WrongCount("ping"));
        }
        else if (session.IsSubscriberOfResp2)
        {
            reply.WriteArrayHeader(2);
            reply.WriteBulkString("pong"u8);
            reply.WriteBulkString(command.Count > 1 ? command[1] : default);
        }
        else if (command.Count > 1)
        {
            reply.WriteBulkString(command[1]);
        }
        else
        {
            reply.WriteSimpleString("PONG"u8);
        }
    }

    /// <summary>HELLO [version [SETNAME name]].</summary>
    private static void Hello(Session session, RespCommand command)
    {
        var version = session.Version;
        if (command.Count > 1)
        {
            if (!ByteStrings.TryParseInteger(command[1], out var asked) || asked is not (2 or 3))
            {
                session.Reply.WriteError("NOPROTO unsupported protocol version"u8);
                return;
            }

            version = (RespVersion)asked;
        }

        if (command.Count > 2)
        {
            if (command.Count != 4 || !command[2].Is("SETNAME"u8))
            {
                session.Reply.WriteError($"ERR Syntax error in HELLO option '{Errors.Shown(command[2])}'");
                return;
            }

            if (!TrySetName(session, command[3]))
            {
                return;
            }
        }

        session.Version = version;
        var reply = session.Reply;
        reply.WriteMapHeader(7);
        reply.WriteBulkString("server"u8);
        reply.WriteBulkString("redis"u8);
        reply.WriteBulkString("version"u8);
        reply.WriteBulkString(ServerCommands.Version);
        reply.WriteBulkString("proto"u8);
        reply.WriteInteger((long)version);
        reply.WriteBulkString("id"u8);
        reply.WriteInteger(session.Id);
        reply.WriteBulkString("mode"u8);
        reply.WriteBulkString("standalone"u8);
        reply.WriteBulkString("role"u8);
        reply.WriteBulkString("master"u8);
        reply.WriteBulkString("modules"u8);
        reply.WriteArrayHeader(0);
    }

    private static void Client(Session session, RespCommand command)
    {
        var subcommand = command[1];
        if (subcommand.Is("ID"u8) && command.Count == 2)
        {
            session.Reply.WriteInteger(session.Id);
        }
        else if (subcommand.Is("GETNAME"u8) && command.Count == 2)
        {
            session.Reply.WriteBulkString(session.Name);
        }
        else if (subcommand.Is("SETNAME"u8) && command.Count == 3)
        {
            if (TrySetName(session, command[2]))
            {
                session.Reply.WriteSimpleString("OK"u8);
            }
        }
        else if (subcommand.Is("SETINFO"u8) && command.Count == 4)
        {
            // The name and the version of the client's library: nobody here asks for them.
            session.Reply.WriteSimpleString("OK"u8);
        }
        else
        {
            session.Reply.WriteError(Errors.UnknownSubcommand("CLIENT", subcommand));
        }
    }

    private static void Select(Session session, RespCommand command)
    {
        if (!Errors.TryReadInteger(session, command[1], out var index))
        {
            return;
        }

        if (index == 0)
        {
            session.Reply.WriteSimpleString("OK"u8);
        }
        else
        {
            session.Reply.WriteError("ERR DB index is out of range"u8);
        }
    }

    private static void Quit(Session session, RespCommand command)
    {
        session.Reply.WriteSimpleString("OK"u8);
        session.End();
    }

    private static bool TrySetName(Session session, ReadOnlySpan<byte> name)
    {
        if (name.Length > 256 || name.ContainsAnyExceptInRange((byte)'!', (byte)'~'))
        {
            session.Reply.WriteError("ERR Client names cannot contain spaces, newlines or special characters."u8);
            return false;
        }

        session.Name = name.ToText();
        return true;
    }
}
