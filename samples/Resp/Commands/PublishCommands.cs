using Peregrine.Protocols;

namespace Resp.Commands;

/// <summary>PUBLISH, and SUBSCRIBE to channels and to patterns of them.</summary>
internal sealed class PublishCommands(Subscriptions subscriptions)
{
    // What a message is compared with takes the length of a pattern times that of a channel's name.
    private const int LongestName = 1024;

    public IEnumerable<Command> All =>
    [
        new("publish", 3, Publish),
        new("subscribe", -2, (session, command) => Subscribe(session, command, isPattern: false)) { IsForSubscribers = true },
        new("psubscribe", -2, (session, command) => Subscribe(session, command, isPattern: true)) { IsForSubscribers = true },
        new("unsubscribe", -1, (session, command) => Unsubscribe(session, command, isPattern: false)) { IsForSubscribers = true },
        new("punsubscribe", -1, (session, command) => Unsubscribe(session, command, isPattern: true)) { IsForSubscribers = true },
    ];

    private void Publish(Session session, RespCommand command)
    {
        if (command[1].Length > LongestName)
        {
            session.Reply.WriteError(Errors.NameTooLong);
        }
        else
        {
            session.Reply.WriteInteger(subscriptions.Publish(command[1], command[2]));
        }
    }

    private void Subscribe(Session session, RespCommand command, bool isPattern)
    {
        session.ShareOutput();
        var names = isPattern ? session.Patterns : session.Channels;
        for (var i = 1; i < command.Count; i++)
        {
            if (command[i].Length > LongestName)
            {
                session.Reply.WriteError(Errors.NameTooLong);
                return;
            }

            var name = command[i].ToArray();
            if (!names.Contains(name) && !session.HasRoomForSubscription)
            {
                session.Reply.WriteError("ERR too many subscriptions"u8);
                return;
            }

            var isNew = names.Add(name);
            WriteChange(session, isPattern ? "psubscribe"u8 : "subscribe"u8, name);
            if (isNew)
            {
                // The answer comes before the first message, which may be published as soon as the subscription is there.
                session.PassAnswers();
                subscriptions.Add(session, name, isPattern);
            }
        }
    }

    private void Unsubscribe(Session session, RespCommand command, bool isPattern)
    {
        var names = isPattern ? session.Patterns : session.Channels;
        byte[][] leaves = command.Count == 1 ? [.. names] : ArgumentsOf(command);
        foreach (var name in leaves)
        {
            if (names.Remove(name))
            {
                subscriptions.Remove(session, name, isPattern);
            }

            WriteChange(session, isPattern ? "punsubscribe"u8 : "unsubscribe"u8, name);
        }

        if (leaves.Length == 0)
        {
            WriteChange(session, isPattern ? "punsubscribe"u8 : "unsubscribe"u8, null);
        }
    }

    private static byte[][] ArgumentsOf(RespCommand command)
    {
        var arguments = new byte[command.Count - 1][];
        for (var i = 0; i < arguments.Length; i++)
        {
            arguments[i] = command[i + 1].ToArray();
        }

        return arguments;
    }

    private static void WriteChange(Session session, ReadOnlySpan<byte> kind, byte[]? name)
    {
        var reply = session.Reply;
        reply.WritePushHeader(3);
        reply.WriteBulkString(kind);
        if (name is null)
        {
            reply.WriteNull();
        }
        else
        {
            reply.WriteBulkString(name);
        }

        reply.WriteInteger(session.SubscriptionCount);
    }
}
