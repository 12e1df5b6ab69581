using Peregrine.Protocols;

namespace Chat;

/// <summary>One who chats. A line is said to the room; one that begins with a slash is a command.</summary>
public sealed class ChatHandler(ChatRooms rooms) : MessageHandler<string, string>
{
    private const int LongestName = 20;
    private const int MostNames = 100;
    private const string Help =
        "* /nick NAME, /join ROOM, /who, /msg NAME TEXT, /quit. A line without a slash is said to everybody in the room.";

    private RegisteredConnection? _member;
    private string _name = "";
    private string? _room;

    public override async ValueTask OnConnectedAsync(MessageContext<string> context)
    {
        _member = rooms.Enter(context);
        await context.WriteAsync("* Welcome. Who are you? /nick NAME");
    }

    public override async ValueTask OnMessageAsync(MessageContext<string> context, string message)
    {
        ArgumentNullException.ThrowIfNull(message);

        // What others see in their terminals are characters, and no orders to the terminal.
        var line = string.Concat(message.Where(character => !char.IsControl(character))).Trim();
        var (command, rest) = line.StartsWith('/') ? Split(line) : ("", line);
        await (command switch
        {
            "/nick" => TakeNameAsync(context, rest),
            "/quit" => QuitAsync(context),
            "/help" => TellAsync(context, Help),
            _ when _name == "" => TellAsync(context, "* Who are you? /nick NAME"),
            "/join" => JoinAsync(context, rest),
            "/who" => TellAsync(context, _room is null ? "* You are in no room: /join ROOM" : $"* In {_room}: {string.Join(", ", rooms.NamesIn(_room).Take(MostNames))}"),
            "/msg" => WhisperAsync(context, rest),
            "" when line == "" => default,
            "" when _room is null => TellAsync(context, "* You are in no room: /join ROOM"),
            "" => rooms.SayAsync(_room!, $"{_name}: {line}", except: _member),
            _ => TellAsync(context, Help),
        });
    }

    public override async ValueTask<MessageErrorAction> OnErrorAsync(MessageContext<string> context, MessageError problem)
    {
        if (!problem.IsPeers)
        {
            return MessageErrorAction.Throw;
        }

        // A line that is no UTF-8 can be skipped; one that is too long cannot.
        await TellAsync(context, $"* {problem.Exception.Message}");
        return MessageErrorAction.Skip;
    }

    public override async ValueTask OnStoppingAsync(MessageContext<string> context)
    {
        await TellAsync(context, "* The server stops. Goodbye.");
        await base.OnStoppingAsync(context);
    }

    public override async ValueTask OnDisconnectedAsync(MessageContext<string> context, Exception? exception)
    {
        if (_member is not null)
        {
            rooms.Leave(_member, _name);
            await LeaveRoomAsync();
        }
    }

    private static (string First, string Others) Split(string line) =>
        line.IndexOf(' ', StringComparison.Ordinal) is var space and > 0 ? (line[..space], line[(space + 1)..].Trim()) : (line, "");

    private static bool IsName(string name) => name.Length is > 0 and <= LongestName && name.All(char.IsLetterOrDigit);

    private static async ValueTask TellAsync(MessageContext<string> context, string text) => await context.WriteAsync(text);

    private static ValueTask QuitAsync(MessageContext<string> context)
    {
        context.Close();
        return TellAsync(context, "* Goodbye.");
    }

    private async ValueTask TakeNameAsync(MessageContext<string> context, string name)
    {
        if (!IsName(name))
        {
            await TellAsync(context, $"* A name has 1 to {LongestName} letters and digits.");
            return;
        }

        if (!rooms.TryTakeName(_member!, name, _name))
        {
            await TellAsync(context, $"* Somebody is {name} already.");
            return;
        }

        var before = _name;
        _name = name;
        await TellAsync(context, $"* You are {name}.");
        if (_room is not null)
        {
            await rooms.SayAsync(_room, $"* {before} is {name} now.", except: _member);
        }
    }

    private async ValueTask JoinAsync(MessageContext<string> context, string room)
    {
        if (!IsName(room))
        {
            await TellAsync(context, $"* A room has 1 to {LongestName} letters and digits.");
            return;
        }

        await LeaveRoomAsync();
        if (_member!.TryJoin(room))
        {
            _room = room;
            await TellAsync(context, $"* You are in {room}, with {rooms.NamesIn(room).Count() - 1} others.");
            await rooms.SayAsync(room, $"* {_name} comes.", except: _member);
        }
    }

    private async ValueTask LeaveRoomAsync()
    {
        if (_room is { } room)
        {
            _room = null;
            _member!.Leave(room);
            await rooms.SayAsync(room, $"* {_name} goes.");
        }
    }

    private async ValueTask WhisperAsync(MessageContext<string> context, string rest)
    {
        var (name, text) = Split(rest);
        if (!rooms.TryFind(name, out var other) || text == "")
        {
            await TellAsync(context, text == "" ? "* /msg NAME TEXT" : $"* Nobody is {name}.");
            return;
        }

        using var message = EncodedMessage.Create($"{_name} (to you): {text}", (IMessageWriter<string>)ChatRooms.Lines);
        await TellAsync(context, other.Writer.TryPost(message) ? $"* {name} has it." : $"* {name} is too slow, or gone.");
    }
}
