using System.Globalization;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Protocols.Tests.Handlers;

public sealed class MessageHandlerTests
{
    private static readonly Words s_words = new();

    [Fact]
    public async Task Each_message_is_handled_in_order_and_the_connection_ends_when_the_peer_does()
    {
        var connection = With(async (context, message) => await context.WriteAsync(message + "."));
        await connection.SendAsync("one two thr");
        Assert.Equal("one. two. ", await connection.ReceiveAsync(10));
        await connection.SendAsync("ee ");
        await connection.EndInputAsync();
        Assert.Equal("three. ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Fact]
    public async Task Answers_to_the_messages_of_one_read_go_out_in_one_flush()
    {
        var connection = With(async (context, message) => await context.WriteAsync(message));
        await connection.SendAsync(string.Concat(Enumerable.Repeat("word ", 1000)));
        await connection.ReceiveAsync(5000);
        Assert.Equal(1, connection.Flushes);
        await connection.SendAsync("word ");
        await connection.ReceiveAsync(5);
        Assert.Equal(2, connection.Flushes);
        await connection.EndInputAsync();
        await connection.EndedAsync();
        Assert.Equal(2, connection.Flushes);
    }

    [Fact]
    public async Task A_handler_that_waits_does_not_hold_the_answers_before_it()
    {
        var gate = new TaskCompletionSource();
        var connection = With(async (context, message) =>
        {
            await context.WriteAsync(message);
            if (message == "wait")
            {
                await gate.Task;
                await context.WriteAsync("waited");
            }
        });
        await connection.SendAsync("one wait two ");
        Assert.Equal("one wait ", await connection.ReceiveAsync(9));
        Assert.True(connection.HasNothing());
        gate.SetResult();
        Assert.Equal("waited two ", await connection.ReceiveAsync(11));
    }

    [Fact]
    public async Task Answers_that_are_larger_than_what_they_answer_wait_for_the_peer()
    {
        var handled = 0;
        var answer = new string('a', 9_999);
        var connection = With(
            async (context, _) =>
            {
                await context.WriteAsync(answer);
                Interlocked.Increment(ref handled);
            },
            window: 20_000);
        await connection.SendAsync(string.Concat(Enumerable.Repeat("more ", 1000)));
        await connection.ReceiveAsync(10_000);

        // What is kept, what is being sent, and what was received: no more, however long it is waited.
        Assert.InRange(Volatile.Read(ref handled), 1, 30);
        for (var i = 1; i < 1000; i++)
        {
            Assert.Equal(answer + " ", await connection.ReceiveAsync(10_000));
        }

        await connection.EndInputAsync();
        await connection.EndedAsync();
    }

    [Fact]
    public async Task A_close_lets_out_what_was_written_and_handles_no_more()
    {
        var handled = new List<string>();
        var connection = With(async (context, message) =>
        {
            handled.Add(message);
            await context.WriteAsync(message);
            if (message == "quit")
            {
                context.Close();
            }
        });
        await connection.SendAsync("one quit two ");
        Assert.Equal("one quit ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
        Assert.Equal(["one", "quit"], handled);
    }

    [Fact]
    public async Task A_close_by_somebody_else_ends_the_wait_for_messages()
    {
        MessageContext<string>? kept = null;
        var connection = With(async (context, message) =>
        {
            kept = context;
            await context.WriteAsync(message);
        });
        await connection.SendAsync("one ");
        await connection.ReceiveAsync(4);
        await kept!.Writer.WriteAsync("bye", s_words);
        kept.Close();
        Assert.Equal("bye ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Fact]
    public async Task A_peer_that_reads_no_more_ends_the_connection()
    {
        var connection = With(async (context, message) => await context.WriteAsync(message));
        await connection.StopReadingAsync();
        await connection.SendAsync("one ");
        await connection.EndedAsync();
    }

    [Fact]
    public async Task What_others_write_and_what_handlers_write_after_a_wait_is_sent_at_once()
    {
        // A handler goes on beside the loop, which uncorks just then: nothing may stay behind.
        var connection = With(async (context, message) =>
        {
            await Task.Yield();
            await context.WriteAsync(message);
        });
        for (var i = 0; i < 20_000; i++)
        {
            await connection.SendAsync("a b ");
            Assert.Equal("a b ", await connection.ReceiveAsync(4));
        }
    }

    [Fact]
    public async Task A_message_may_be_a_ref_struct()
    {
        var total = 0;
        var connection = new HandledConnection(builder => builder.UseMessages(new Numbers(), s_words, (context, number) =>
        {
            total += number.Value;
            return number.Value == 3 ? AnswerAsync(context) : default;
        }));
        await connection.SendAsync("\u0001\u0002\u0003");
        Assert.Equal("6 ", await connection.ReceiveAsync(2));

        async ValueTask AnswerAsync(MessageContext<string> context) => await context.WriteAsync(total.ToString(CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Options_out_of_range_and_views_that_would_be_handled_at_once_are_refused()
    {
        var builder = new ConnectionBuilder(null!);
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.UseMessages(s_words, s_words, (_, _) => default, options => options.MaxConcurrency = 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.UseMessages(s_words, s_words, (_, _) => default, options => options.MaxPendingBytes = 0));
        Assert.Throws<ArgumentException>(() => builder.UseMessages(new Numbers(), s_words, (_, _) => default, options => options.MaxConcurrency = 2));
        Assert.Throws<ArgumentException>(
            () => builder.UseMessages(new LengthFieldReader(), s_words, (_, _) => default, options => options.MaxConcurrency = 2));
    }

    private static HandledConnection With(Func<MessageContext<string>, string, ValueTask> handler, int window = 1024 * 1024) =>
        new(builder => builder.UseMessages(s_words, s_words, handler), window: window);
}
