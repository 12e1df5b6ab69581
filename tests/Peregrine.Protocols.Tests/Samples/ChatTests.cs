using Chat;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Protocols.Tests.Handlers;

namespace Peregrine.Protocols.Tests.Samples;

public sealed class ChatTests : IDisposable
{
    private readonly ServiceProvider _services = Services(SlowReceiverPolicy.DropOldest);
    private readonly List<HandledConnection> _connections = [];

    [Fact]
    public async Task What_one_says_is_heard_by_all_others_of_the_room_and_by_nobody_else()
    {
        var ada = await EnterAsync("Ada", "tea");
        var bob = await EnterAsync("Bob", "tea", others: 1);
        await HearsAsync(ada, "* Bob comes.");
        var eve = await EnterAsync("Eve", "rum");
        await ada.SendAsync("Hello, Bob\r\n/who\n");
        await HearsAsync(bob, "Ada: Hello, Bob");
        await HearsAsync(ada, "* In tea: Ada, Bob");
        await bob.SendAsync("Hello, Ada\n/quit\n");
        await HearsAsync(ada, "Bob: Hello, Ada", "* Bob goes.");
        await HearsAsync(bob, "* Goodbye.");
        Assert.Equal("", await bob.ReceiveAllAsync());
        await bob.EndedAsync();
        Assert.True(eve.HasNothing());
    }

    [Fact]
    public async Task A_name_is_one_persons_and_free_when_they_have_gone()
    {
        var ada = await EnterAsync("Ada", "tea");
        var other = Connect();
        await other.SendAsync("hi\n/nick ada\n/nick a b\n/nick Al\n/nick Al2\n");
        await HearsAsync(
            other, "* Welcome. Who are you? /nick NAME", "* Who are you? /nick NAME", "* Somebody is ada already.", "* A name has 1 to 20 letters and digits.",
            "* You are Al.", "* You are Al2.");
        await ada.EndInputAsync();
        await ada.EndedAsync();
        await other.SendAsync("/nick Ada\n");
        await HearsAsync(other, "* You are Ada.");
        await EnterAsync("Al", "tea");
    }

    [Fact]
    public async Task A_name_is_free_also_when_it_was_changed_behind_the_end_of_its_connection()
    {
        var ada = await EnterAsync("Ada", "tea");
        await ada.AbortAsync();
        await ada.SendAsync("/nick Eve\n");
        await ada.EndInputAsync();
        await ada.EndedAsync();
        await EnterAsync("Ada", "tea");
        await EnterAsync("Eve", "tea", others: 1);
    }

    [Fact]
    public async Task A_whisper_is_heard_by_one()
    {
        var ada = await EnterAsync("Ada", "tea");
        var bob = await EnterAsync("Bob", "rum");
        await ada.SendAsync("/msg bob come here\n/msg carl hi\n/msg bob\n");
        await HearsAsync(bob, "Ada (to you): come here");
        await HearsAsync(ada, "* bob has it.", "* Nobody is carl.", "* /msg NAME TEXT");
    }

    [Fact]
    public async Task What_is_no_text_is_told_and_orders_to_a_terminal_do_not_pass()
    {
        var ada = await EnterAsync("Ada", "tea");
        var bob = await EnterAsync("Bob", "tea", others: 1);
        await HearsAsync(ada, "* Bob comes.");
        await ada.SendAsync([(byte)'a', 0xFF, .. "\n\u001b[2Jred\n"u8]);
        await HearsAsync(ada, "* A message is no text in utf-8.");
        await HearsAsync(bob, "Ada: [2Jred");
        await ada.SendAsync(new string('a', 2000));
        Assert.StartsWith("* ", await ada.ReceiveAllAsync(), StringComparison.Ordinal);
        await ada.EndedAsync();
        await HearsAsync(bob, "* Ada goes.");
    }

    [Fact]
    public async Task One_who_does_not_read_holds_up_nobody()
    {
        var slow = await EnterAsync("Slow", "tea");
        var ada = await EnterAsync("Ada", "tea", others: 1);
        var bob = await EnterAsync("Bob", "tea", others: 2);
        await HearsAsync(ada, "* Bob comes.");
        var text = new string('t', 900);
        for (var i = 0; i < 3000; i++)
        {
            await ada.SendAsync($"{i}{text}\n");
            await HearsAsync(bob, $"Ada: {i}{text}");
        }

        // What is newest has come to the slow one, and less than all.
        var (count, last) = (0, "");
        while (!last.StartsWith("Ada: 2999t", StringComparison.Ordinal))
        {
            last = await slow.ReceiveLineAsync();
            count++;
        }

        Assert.InRange(count, 50, 2000);
    }

    [Fact]
    public async Task A_server_that_stops_says_goodbye()
    {
        var ada = await EnterAsync("Ada", "tea");
        ada.RequestClose();
        await HearsAsync(ada, "* The server stops. Goodbye.");
        Assert.Equal("", await ada.ReceiveAllAsync());
        await ada.EndedAsync();
    }

    public void Dispose()
    {
        _connections.ForEach(connection => connection.Dispose());
        _services.Dispose();
    }

    private static ServiceProvider Services(SlowReceiverPolicy policy) =>
        new ServiceCollection().AddSingleton(new ChatRooms(new ConnectionRegistry(maxGroupsPerConnection: 1), policy)).BuildServiceProvider();

    private HandledConnection Connect()
    {
        var connection = new HandledConnection(
            builder => builder.UseMessageHandler<ChatHandler, string, string>(
                new TextMessageReader(new LineReader(new LineOptions { MaxMessageSizeInBytes = 1000 })), ChatRooms.Lines),
            _services, window: 64 * 1024);
        _connections.Add(connection);
        return connection;
    }

    private async Task<HandledConnection> EnterAsync(string name, string room, int others = 0)
    {
        var connection = Connect();
        await connection.SendAsync($"/nick {name}\n/join {room}\n");
        await HearsAsync(connection, "* Welcome. Who are you? /nick NAME", $"* You are {name}.", $"* You are in {room}, with {others} others.");
        return connection;
    }

    private static async Task HearsAsync(HandledConnection connection, params string[] lines)
    {
        foreach (var line in lines)
        {
            Assert.Equal(line, await connection.ReceiveLineAsync());
        }
    }
}
