using System.Globalization;
using System.Text;
using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>What clients ask about the server: INFO, CONFIG GET, COMMAND.</summary>
internal sealed class ServerCommands(Store store, Clients clients, Subscriptions subscriptions, TimeProvider clock, Func<IReadOnlyCollection<Command>> commands)
{
    private readonly long _start = clock.GetTimestamp();

    /// <summary>Clients choose by it what they send: a version of Redis that has what is here.</summary>
    public static ReadOnlySpan<byte> Version => "7.0.0"u8;

    public IEnumerable<Command> All =>
    [
        new("info", -1, Info),
        new("config", -2, Config),
        new("command", -1, Describe),
    ];

    private void Info(Session session, RespCommand command)
    {
        var text = new StringBuilder();
        for (var i = 1; i < command.Count; i++)
        {
            Append(text, command[i]);
        }

        if (command.Count == 1)
        {
            Append(text, "all"u8);
        }

        session.Reply.WriteVerbatimString("txt"u8, Encoding.UTF8.GetBytes(text.ToString()));
    }

    private void Append(StringBuilder text, ReadOnlySpan<byte> section)
    {
        var all = section.Is("all"u8) || section.Is("default"u8) || section.Is("everything"u8);
        var culture = CultureInfo.InvariantCulture;
        if (all || section.Is("server"u8))
        {
            text.Append(culture, $"# Server\r\nredis_version:{Version.ToText()}\r\nredis_mode:standalone\r\nprocess_id:{Environment.ProcessId}\r\n");
            text.Append(culture, $"uptime_in_seconds:{(long)clock.GetElapsedTime(_start).TotalSeconds}\r\n\r\n");
        }

        if (all || section.Is("clients"u8))
        {
            text.Append(culture, $"# Clients\r\nconnected_clients:{clients.Connected}\r\n\r\n");
        }

        if (all || section.Is("memory"u8))
        {
            text.Append(culture, $"# Memory\r\nused_memory:{store.Space.Bytes}\r\nmaxmemory:{store.Space.MaxBytes}\r\nmaxmemory_policy:noeviction\r\n\r\n");
        }

        if (all || section.Is("stats"u8))
        {
            text.Append(culture, $"# Stats\r\ntotal_connections_received:{clients.Accepted}\r\npubsub_channels:{subscriptions.ChannelCount}\r\npubsub_patterns:{subscriptions.PatternCount}\r\n\r\n");
        }

        if (all || section.Is("replication"u8))
        {
            text.Append("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n");
        }

        if ((all || section.Is("keyspace"u8)) && store.Space.Keys is > 0 and var keys)
        {
            text.Append(culture, $"# Keyspace\r\ndb0:keys={keys},expires=0,avg_ttl=0\r\n\r\n");
        }
    }

    private void Config(Session session, RespCommand command)
    {
        if (!command[1].Is("GET"u8) || command.Count != 3)
        {
            session.Reply.WriteError(Errors.UnknownSubcommand("CONFIG", command[1]));
            return;
        }

        (string Name, string Value)[] settings =
        [
            ("appendonly", "no"), ("databases", "1"), ("maxmemory", store.Space.MaxBytes.ToString(CultureInfo.InvariantCulture)), ("save", ""), ("timeout", "0"),
        ];
        var pattern = command[2].ToArray();
        var asked = settings.Where(setting => Glob.IsMatch(pattern, Encoding.ASCII.GetBytes(setting.Name))).ToList();
        var reply = session.Reply;
        reply.WriteMapHeader(asked.Count);
        foreach (var (name, value) in asked)
        {
            reply.WriteBulkString(name);
            reply.WriteBulkString(value);
        }
    }

    /// <summary>COMMAND, COMMAND COUNT, and COMMAND DOCS, of which there are none.</summary>
    private void Describe(Session session, RespCommand command)
    {
        var all = commands();
        var reply = session.Reply;
        if (command.Count == 1)
        {
            reply.WriteArrayHeader(all.Count);
            foreach (var (name, arity, _) in all)
            {
                // The name, the arity, no flags, and no word of where the keys are.
                reply.WriteArrayHeader(6);
                reply.WriteBulkString(name);
                reply.WriteInteger(arity);
                reply.WriteSetHeader(0);
                reply.WriteInteger(0);
                reply.WriteInteger(0);
                reply.WriteInteger(0);
            }
        }
        else if (command[1].Is("COUNT"u8))
        {
            reply.WriteInteger(all.Count);
        }
        else if (command[1].Is("DOCS"u8))
        {
            reply.WriteMapHeader(0);
        }
        else
        {
            reply.WriteError(Errors.UnknownSubcommand("COMMAND", command[1]));
        }
    }
}
