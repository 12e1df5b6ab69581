using Microsoft.Extensions.DependencyInjection;

namespace Peregrine.Protocols.Tests.Handlers;

public sealed class MessageHandlerLifetimeTests
{
    private static readonly Words s_words = new();

    private readonly List<string> _story = [];

    [Fact]
    public async Task Each_connection_has_a_handler_of_its_own_made_of_the_services_of_its_scope()
    {
        await using var services = new ServiceCollection().AddSingleton(_story).AddScoped<Scoped>().BuildServiceProvider(validateScopes: true);
        using var first = With<Counting>(services);
        using var second = With<Counting>(services);
        await first.SendAsync("a b ");
        Assert.Equal("hello 1 2 ", await first.ReceiveAsync(10));
        await second.SendAsync("a ");
        Assert.Equal("hello 1 ", await second.ReceiveAsync(8));
        await first.EndInputAsync();
        Assert.Equal("bye ", await first.ReceiveAllAsync());
        await first.EndedAsync();
        Assert.Equal(["handler disposed", "scope disposed"], _story);
    }

    [Fact]
    public async Task A_handler_that_is_registered_is_the_registrations()
    {
        var handler = new Counting(new Scoped(_story), _story);
        await using var services = new ServiceCollection().AddSingleton(handler).BuildServiceProvider();
        for (var i = 1; i < 3; i++)
        {
            using var connection = With<Counting>(services);
            await connection.SendAsync("a ");
            Assert.Equal($"hello {i} ", await connection.ReceiveAsync(8));
            await connection.EndInputAsync();
            await connection.EndedAsync();
        }

        Assert.Empty(_story);
    }

    [Fact]
    public async Task By_default_a_request_to_end_closes_behind_what_is_being_handled()
    {
        var gate = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        using var busy = new HandledConnection(builder => builder.UseMessages(s_words, s_words, async (context, message) =>
        {
            begun.TrySetResult();
            await gate.Task;
            await context.WriteAsync(message);
        }));
        await busy.SendAsync("one ");
        await begun.Task.WaitAsync(HandledConnection.Limit, TimeProvider.System);
        busy.RequestClose();
        gate.SetResult();
        Assert.Equal("one ", await busy.ReceiveAllAsync());
        await busy.EndedAsync();

        using var idle = new HandledConnection(builder => builder.UseMessages(s_words, s_words, async (context, message) => await context.WriteAsync(message)));
        await idle.SendAsync("one ");
        await idle.ReceiveAsync(4);
        idle.RequestClose();
        Assert.Equal("", await idle.ReceiveAllAsync());
        await idle.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_protocol_with_a_goodbye_goes_on_until_its_peer_closes(int concurrency)
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        using var connection = With<Polite>(services, concurrency);
        await connection.SendAsync("one ");
        Assert.Equal("one ", await connection.ReceiveAsync(4));
        connection.RequestClose();
        Assert.Equal("leave ", await connection.ReceiveAsync(6));
        await connection.SendAsync("two ");
        Assert.Equal("two ", await connection.ReceiveAsync(4));
        await connection.EndInputAsync();
        Assert.Equal("", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_request_to_end_does_not_wait_for_all_messages_of_a_read(int concurrency)
    {
        var gate = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        using var busy = new HandledConnection(builder => builder.UseMessages(
            s_words, s_words,
            async (context, message) =>
            {
                begun.TrySetResult();
                await gate.Task;
                await context.WriteAsync(message);
            },
            options => options.MaxConcurrency = concurrency));
        await busy.SendAsync("a b c d ");
        await begun.Task.WaitAsync(HandledConnection.Limit, TimeProvider.System);
        busy.RequestClose();
        gate.SetResult();
        Assert.InRange((await busy.ReceiveAllAsync()).Length, 2, 2 * concurrency);
        await busy.EndedAsync();
    }

    [Fact]
    public async Task An_input_that_is_cancelled_for_good_ends_also_behind_a_goodbye()
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        using var connection = With<Polite>(services);
        connection.RequestClose();
        Assert.Equal("leave ", await connection.ReceiveAsync(6));
        await connection.EndInputAsync(new OperationCanceledException("The connection is closed."));
        await Assert.ThrowsAsync<OperationCanceledException>(connection.EndedAsync);
    }

    [Fact]
    public async Task A_handler_that_cannot_begin_ends_and_is_told_so()
    {
        var handler = new Unable();
        await using var services = new ServiceCollection().AddSingleton(handler).BuildServiceProvider();
        using var connection = With<Unable>(services);
        var failure = await Assert.ThrowsAsync<NotSupportedException>(connection.EndedAsync);
        Assert.Same(failure, handler.Ended);
    }

    private static HandledConnection With<THandler>(IServiceProvider services, int concurrency = 1)
        where THandler : MessageHandler<string, string>
        => new(builder => builder.UseMessageHandler<THandler, string, string>(s_words, s_words, options => options.MaxConcurrency = concurrency), services);

    private sealed class Scoped(List<string> story) : IDisposable
    {
        public void Dispose() => story.Add("scope disposed");
    }

    private sealed class Counting(Scoped scoped, List<string> story) : MessageHandler<string, string>, IAsyncDisposable
    {
        private int _count;

        public override async ValueTask OnConnectedAsync(MessageContext<string> context)
        {
            Assert.NotNull(scoped);
            await context.WriteAsync("hello");
        }

        public override async ValueTask OnMessageAsync(MessageContext<string> context, string message) => await context.WriteAsync($"{++_count}");

        public override async ValueTask OnDisconnectedAsync(MessageContext<string> context, Exception? exception)
        {
            Assert.Null(exception);
            await context.WriteAsync("bye");
        }

        public ValueTask DisposeAsync()
        {
            story.Add("handler disposed");
            return default;
        }
    }

    private sealed class Polite : MessageHandler<string, string>
    {
        public override async ValueTask OnMessageAsync(MessageContext<string> context, string message) => await context.WriteAsync(message);

        public override async ValueTask OnStoppingAsync(MessageContext<string> context) => await context.WriteAsync("leave");
    }

    private sealed class Unable : MessageHandler<string, string>
    {
        public Exception? Ended { get; private set; }

        public override ValueTask OnConnectedAsync(MessageContext<string> context) => throw new NotSupportedException("It cannot.");

        public override ValueTask OnMessageAsync(MessageContext<string> context, string message) => throw new NotSupportedException("It is not connected.");

        public override ValueTask OnDisconnectedAsync(MessageContext<string> context, Exception? exception)
        {
            Ended = exception;
            return default;
        }
    }
}
