using System.Diagnostics.CodeAnalysis;
using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>Answers a command. It has as many arguments as the table says.</summary>
internal delegate void CommandHandler(Session session, RespCommand command);

/// <summary>A command that the server knows.</summary>
/// <param name="Name">In small letters.</param>
/// <param name="Arity">How many arguments it has, its name included; -n for n or more.</param>
/// <param name="Handler">What answers it.</param>
internal sealed record Command(string Name, int Arity, CommandHandler Handler)
{
    /// <summary>A subscriber of RESP2 may send it: it sees no difference between other answers and what is published.</summary>
    public bool IsForSubscribers { get; init; }
}

/// <summary>Finds the command, checks what is the same for all, and answers it.</summary>
internal sealed class CommandTable
{
    private readonly Dictionary<byte[], Command> _commands = new(ByteStrings.NameComparer);
    private readonly Dictionary<byte[], Command>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    public CommandTable(Store store, Subscriptions subscriptions, Clients clients, TimeProvider clock)
    {
        IEnumerable<Command> all =
        [
            .. ConnectionCommands.All,
            .. new StringCommands(store).All,
            .. new KeyCommands(store).All,
            .. new PublishCommands(subscriptions).All,
            .. new ServerCommands(store, clients, subscriptions, clock, () => _commands.Values).All,
        ];
        foreach (var command in all)
        {
            _commands.Add(System.Text.Encoding.ASCII.GetBytes(command.Name), command);
        }

        _lookup = _commands.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    public void Execute(Session session, RespCommand command)
    {
        if (!_lookup.TryGetValue(command[0], out var known))
        {
            session.Reply.WriteError(Unknown(command));
        }
        else if (known.Arity > 0 ? command.Count != known.Arity : command.Count < -known.Arity)
        {
            session.Reply.WriteError(Errors.WrongCount(known.Name));
        }
        else if (session.IsSubscriberOfResp2 && !known.IsForSubscribers)
        {
            session.Reply.WriteError($"ERR Can't execute '{known.Name}': only SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, PING and QUIT are allowed in this context");
        }
        else
        {
            known.Handler(session, command);
        }
    }

    private static string Unknown(RespCommand command)
    {
        var arguments = "";
        for (var i = 1; i < command.Count && arguments.Length < 128; i++)
        {
            arguments += $"'{Errors.Shown(command[i])}' ";
        }

        return $"ERR unknown command '{Errors.Shown(command[0])}', with args beginning with: {arguments}";
    }
}
