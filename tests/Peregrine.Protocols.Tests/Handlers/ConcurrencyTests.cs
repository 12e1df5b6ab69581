using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;

namespace Peregrine.Protocols.Tests.Handlers;

public sealed class ConcurrencyTests
{
    private static readonly Words s_words = new();

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = new();
    private int _begun;
    private int _running;
    private int _most;

    [Fact]
    public async Task No_more_messages_are_handled_at_once_than_may_be()
    {
        var connection = With(3, isOrdered: true);
        await connection.SendAsync("a b c d e f ");
        foreach (var next in (string[])["a", "b", "c", "d", "e", "f"])
        {
            // Each that is done makes room for one.
            var begun = Math.Min(6, next[0] - 'a' + 3);
            await UntilAsync(() => Volatile.Read(ref _begun) == begun);
            Gate(next).SetResult();
        }

        Assert.Equal("a b c d e f ", await connection.ReceiveAsync(12));
        Assert.Equal(3, _most);
    }

    [Fact]
    public async Task Answers_go_out_in_the_order_of_the_messages()
    {
        var connection = With(3, isOrdered: true);
        await connection.SendAsync("a b c ");
        Gate("c").SetResult();
        Gate("b").SetResult();
        await UntilAsync(() => Volatile.Read(ref _running) == 3 && _gates.Values.Count(gate => gate.Task.IsCompleted) == 2);
        Assert.True(connection.HasNothing());
        Gate("a").SetResult();
        Assert.Equal("a b c ", await connection.ReceiveAsync(6));
        await connection.EndInputAsync();
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Answers_that_need_no_order_go_out_as_they_come()
    {
        var connection = With(3, isOrdered: false);
        await connection.SendAsync("a b c ");
        foreach (var message in (string[])["c", "a", "b"])
        {
            Gate(message).SetResult();
            Assert.Equal(message + " ", await connection.ReceiveAsync(2));
        }
    }

    [Fact]
    public async Task All_that_are_being_handled_answer_before_the_connection_ends()
    {
        var connection = With(3, isOrdered: true);
        await connection.SendAsync("a b ");
        await connection.EndInputAsync();
        Gate("b").SetResult();
        Gate("a").SetResult();
        Assert.Equal("a b ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Behind_a_close_no_answer_goes_out()
    {
        var isDropped = new TaskCompletionSource<bool>();
        var connection = new HandledConnection(builder => builder.UseMessages(
            s_words, s_words,
            async (context, message) =>
            {
                if (message == "quit")
                {
                    await Gate(message).Task;
                    await context.WriteAsync("bye");
                    context.Close();
                    return;
                }

                var result = await context.WriteAsync(message);
                if (message == "two")
                {
                    isDropped.SetResult(result.IsCompleted);
                }
            },
            options => options.MaxConcurrency = 4));
        await connection.SendAsync("one quit two ");
        Assert.Equal("one ", await connection.ReceiveAsync(4));
        Gate("quit").SetResult();
        Assert.Equal("bye ", await connection.ReceiveAllAsync());
        Assert.True(await isDropped.Task.WaitAsync(HandledConnection.Limit, TimeProvider.System));
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Messages_that_need_no_answer_are_not_read_without_end_behind_a_slow_one()
    {
        var connection = new HandledConnection(builder => builder.UseMessages(
            s_words, s_words,
            async (context, message) =>
            {
                Interlocked.Increment(ref _begun);
                if (message == "slow")
                {
                    await Gate(message).Task;
                    await context.WriteAsync(message);
                }
            },
            options => options.MaxConcurrency = 4));
        await connection.SendAsync("slow ");
        await connection.SendAsync(string.Concat(Enumerable.Repeat("note ", 10_000)));
        await UntilAsync(() => Volatile.Read(ref _begun) >= 4);
        for (var i = 0; i < 1000; i++)
        {
            await Task.Yield();
        }

        // Each of them would have a place in the order.
        Assert.Equal(4, Volatile.Read(ref _begun));
        Gate("slow").SetResult();
        await connection.EndInputAsync();
        Assert.Equal("slow ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
        Assert.Equal(10_001, _begun);
    }

    [Fact]
    public async Task A_large_answer_that_has_its_turn_while_more_is_begun_is_sent_and_waits_for_the_peer()
    {
        var large = new string('b', 100_000);
        using var mayGoOn = new ManualResetEventSlim();
        var connection = new HandledConnection(
            builder => builder.UseMessages(
                s_words, s_words,
                async (context, message) =>
                {
                    if (message == "hold")
                    {
                        // The loop is in the middle of a read, and keeps small answers together.
                        Interlocked.Increment(ref _begun);
                        Assert.True(mayGoOn.Wait(HandledConnection.Limit));
                        return;
                    }

                    await Gate(message).Task;
                    await context.WriteAsync(message == "b" ? large : message);
                },
                options => options.MaxConcurrency = 4),
            window: 20_000);
        Gate("b").SetResult();
        await connection.SendAsync("a b hold ");
        await UntilAsync(() => Volatile.Read(ref _begun) == 1);
        Gate("a").SetResult();
        await UntilAsync(() => connection.Flushes == 1);
        mayGoOn.Set();
        Assert.Equal($"a {large} ", await connection.ReceiveAsync(large.Length + 3));
        await connection.EndInputAsync();
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Behind_a_close_what_is_said_at_the_end_goes_out()
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        using var connection = new HandledConnection(
            builder => builder.UseMessageHandler<Leaving, string, string>(s_words, s_words, options => options.MaxConcurrency = 4), services);
        await connection.SendAsync("one quit ");
        Assert.Equal("one quit bye ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Any_handlers_of_any_speed_answer_in_order()
    {
        const int Messages = 20_000;
        var connection = new HandledConnection(builder => builder.UseMessages(
            s_words, s_words,
            async (context, message) =>
            {
                var number = int.Parse(message, CultureInfo.InvariantCulture);
                for (var i = 0; i < number * 7 % 5; i++)
                {
                    await Task.Yield();
                }

                await context.WriteAsync(message);
                if (number % 3 == 0)
                {
                    await Task.Yield();
                }

                await context.WriteAsync(message);
            },
            options => options.MaxConcurrency = 8));
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < Messages; i += 10)
            {
                await connection.SendAsync(string.Concat(Enumerable.Range(i, 10).Select(number => $"{number} ")));
            }

            await connection.EndInputAsync();
        });
        var expected = string.Concat(Enumerable.Range(0, Messages).Select(number => $"{number} {number} "));
        Assert.Equal(expected, await connection.ReceiveAllAsync());
        await sending;
        await connection.EndedAsync();
    }

    private HandledConnection With(int concurrency, bool isOrdered) => new(builder => builder.UseMessages(
        s_words, s_words,
        async (context, message) =>
        {
            var running = Interlocked.Increment(ref _running);
            int most;
            while (running > (most = Volatile.Read(ref _most)) && Interlocked.CompareExchange(ref _most, running, most) != most)
            {
            }

            // Last: who sees it may let a handler end, which is not counted any more then.
            Interlocked.Increment(ref _begun);
            var gate = Gate(message);
            await gate.Task;
            await context.WriteAsync(message);
            Interlocked.Decrement(ref _running);
        },
        options =>
        {
            options.MaxConcurrency = concurrency;
            options.RepliesInOrder = isOrdered;
        }));

    /// <summary>Where a handler waits.</summary>
    private TaskCompletionSource Gate(string message) => _gates.GetOrAdd(message, _ => new TaskCompletionSource());

    private static async Task UntilAsync(Func<bool> condition)
    {
        var deadline = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < HandledConnection.Limit, "It does not come.");
            await Task.Yield();
        }
    }

    private sealed class Leaving : MessageHandler<string, string>
    {
        public override async ValueTask OnMessageAsync(MessageContext<string> context, string message)
        {
            await context.WriteAsync(message);
            if (message == "quit")
            {
                context.Close();
            }
        }

        public override async ValueTask OnDisconnectedAsync(MessageContext<string> context, Exception? exception) => await context.WriteAsync("bye");
    }
}
