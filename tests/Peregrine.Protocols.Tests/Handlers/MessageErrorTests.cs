using System.Buffers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Peregrine.Protocols.Tests.Handlers;

public sealed class MessageErrorTests
{
    private static readonly Words s_words = new();

    [Fact]
    public async Task By_default_what_is_no_message_closes_the_connection_behind_the_answers_and_is_told_at_Debug()
    {
        using var log = new OneLog();
        await using var services = new ServiceCollection().AddSingleton<ILoggerFactory>(log).BuildServiceProvider();
        var connection = new HandledConnection(
            builder => builder.UseMessages(s_words, s_words, async (context, message) => await context.WriteAsync(message)), services);
        await connection.SendAsync("one bad? two ");
        Assert.Equal("one ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
        Assert.Equal((LogLevel.Debug, $"Connection {connection.Id} is closed for what its peer has sent: bad? is no word."), Assert.Single(log.Entries));
    }

    [Fact]
    public async Task By_default_what_a_handler_throws_goes_to_the_server_behind_the_answers()
    {
        var connection = new HandledConnection(builder => builder.UseMessages(s_words, s_words, async (context, message) =>
        {
            await context.WriteAsync(message);
            if (message == "fail")
            {
                throw new NotSupportedException("It fails.");
            }
        }));
        await connection.SendAsync("one fail two ");
        Assert.Equal("one fail ", await connection.ReceiveAllAsync());
        Assert.Equal("It fails.", (await Assert.ThrowsAsync<NotSupportedException>(connection.EndedAsync)).Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task One_place_answers_and_goes_on(int concurrency)
    {
        var connection = With(new Judge { Action = MessageErrorAction.Skip }, concurrency);
        await connection.SendAsync("one bad? fail later.fail sp.ace two ");
        const string expected = "one peers:bad?isnoword. handlers:Itfails. handlers:Itfails. handlers:Awordhasnospace. two ";
        Assert.Equal(expected, await connection.ReceiveAsync(expected.Length));
        await connection.EndInputAsync();
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task One_place_answers_and_closes(int concurrency)
    {
        var connection = With(new Judge { Action = MessageErrorAction.Close }, concurrency);
        await connection.SendAsync("one later.fail two ");
        Assert.Equal("one handlers:Itfails. ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task What_cannot_be_skipped_closes(int concurrency)
    {
        var connection = With(new Judge { Action = MessageErrorAction.Skip }, concurrency);
        await connection.SendAsync("one end! two ");
        Assert.Equal("one peers,last:end!istheend. ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Half_a_message_at_the_end_is_an_error_too(int concurrency)
    {
        var connection = With(new Judge { Action = MessageErrorAction.Skip }, concurrency);
        await connection.SendAsync("one hal");
        await connection.EndInputAsync();
        Assert.StartsWith("one peers,last:", await connection.ReceiveAllAsync(), StringComparison.Ordinal);
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task What_the_place_itself_throws_goes_to_the_server(int concurrency)
    {
        var judge = new Judge { Throws = true };
        var connection = With(judge, concurrency);
        await connection.SendAsync("one later.fail two ");
        Assert.Equal("one ", await connection.ReceiveAllAsync());
        Assert.Equal("It judges nothing.", (await Assert.ThrowsAsync<InvalidOperationException>(connection.EndedAsync)).Message);
        Assert.Equal("It judges nothing.", judge.Ended?.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task What_cannot_be_skipped_is_told_once_however_long_the_place_takes(int concurrency)
    {
        var judge = new Judge { Action = MessageErrorAction.Skip, MayJudge = new TaskCompletionSource() };
        var connection = With(judge, concurrency);
        await connection.SendAsync("one end! two ");
        Assert.Equal("one ", await connection.ReceiveAsync(4));
        judge.MayJudge.SetResult();
        Assert.Equal("peers,last:end!istheend. ", await connection.ReceiveAllAsync());
        await connection.EndedAsync();
        Assert.Equal(1, judge.Asked);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task An_output_that_has_failed_is_no_error_of_a_message(int concurrency)
    {
        var judge = new Judge { Action = MessageErrorAction.Skip };
        var connection = With(judge, concurrency);
        var reset = new IOException("The peer has reset.");
        await connection.StopReadingAsync(reset);
        await connection.SendAsync("now.one now.two ");
        Assert.Same(reset, await Assert.ThrowsAsync<IOException>(connection.EndedAsync));
        Assert.Equal(0, judge.Asked);
    }

    [Fact]
    public async Task What_a_handler_throws_is_told_as_it_is()
    {
        var mine = new InvalidOperationException("The database is away.", new IOException("Not this connection."));
        var connection = new HandledConnection(builder => builder.UseMessages(s_words, s_words, (_, _) => throw mine));
        await connection.SendAsync("one ");
        Assert.Same(mine, await Assert.ThrowsAsync<InvalidOperationException>(connection.EndedAsync));
    }

    [Fact]
    public async Task A_failure_of_a_handlers_own_comes_to_the_place_also_when_the_peer_has_ended_its_output()
    {
        var judge = new Judge { Action = MessageErrorAction.Skip };
        var connection = With(judge, concurrency: 1);
        await connection.AbortAsync();
        await connection.SendAsync("io ");
        await connection.EndInputAsync();
        await connection.EndedAsync();
        Assert.Equal(1, judge.Asked);
    }

    [Fact]
    public async Task A_connection_that_ends_under_its_handler_is_no_error_of_a_message()
    {
        var judge = new Judge();
        var connection = With(judge, concurrency: 1);
        await connection.SendAsync("wait ");
        await judge.Waits.Task.WaitAsync(HandledConnection.Limit, TimeProvider.System);
        connection.Abort();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(connection.EndedAsync);
        Assert.Equal(0, judge.Asked);
    }

    [Fact]
    public async Task A_connection_that_ends_early_gives_back_what_its_format_has_rented()
    {
        var format = new Renting();
        using var connection = new HandledConnection(builder => builder.UseMessages(format, s_words, (_, _) => throw new NotSupportedException("It fails.")));
        await connection.SendAsync("one two ");
        await Assert.ThrowsAsync<NotSupportedException>(connection.EndedAsync);
        Assert.True(format.IsReturned);
    }

    private static HandledConnection With(Judge judge, int concurrency) => new(
        builder => builder.UseMessageHandler<Judge, string, string>(s_words, s_words, options => options.MaxConcurrency = concurrency),
        new ServiceCollection().AddSingleton(judge).BuildServiceProvider());

    private sealed class Judge : MessageHandler<string, string>
    {
        private int _asked;

        public TaskCompletionSource Waits { get; } = new();

        public MessageErrorAction Action { get; init; }

        public bool Throws { get; init; }

        public TaskCompletionSource? MayJudge { get; init; }

        public int Asked => Volatile.Read(ref _asked);

        public Exception? Ended { get; private set; }

        public override async ValueTask OnMessageAsync(MessageContext<string> context, string message)
        {
            if (message.StartsWith("later.", StringComparison.Ordinal))
            {
                await Task.Yield();
            }

            if (message == "wait")
            {
                Waits.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.Connection.ConnectionClosed);
            }

            if (message == "io")
            {
                throw new IOException("A file is away.");
            }

            if (message.StartsWith("now.", StringComparison.Ordinal))
            {
                await context.Writer.WriteAsync(message, s_words);
            }

            await (message.EndsWith("fail", StringComparison.Ordinal) ? throw new NotSupportedException("It fails.")
                : context.WriteAsync(message.Replace("sp.", "s ", StringComparison.Ordinal)));
        }

        public override async ValueTask<MessageErrorAction> OnErrorAsync(MessageContext<string> context, MessageError problem)
        {
            Interlocked.Increment(ref _asked);
            await (MayJudge?.Task ?? Task.CompletedTask);
            if (Throws)
            {
                throw new InvalidOperationException("It judges nothing.");
            }

            var text = problem.Exception.Message.Replace(" ", "", StringComparison.Ordinal);
            await context.WriteAsync($"{(problem.IsPeers ? "peers" : "handlers")}{(problem.CanSkip ? "" : ",last")}:{text}");
            return Action;
        }

        public override ValueTask OnDisconnectedAsync(MessageContext<string> context, Exception? exception)
        {
            Ended = exception;
            return default;
        }
    }

    private sealed class Renting : IMessageReader<string>
    {
        public bool IsReturned { get; private set; }

        public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out string message)
        {
            IsReturned = false;
            return s_words.TryParse(input, ref consumed, ref examined, out message);
        }

        public void ReturnBuffers() => IsReturned = true;
    }

    private sealed class OneLog : ILoggerFactory, ILogger
    {
        public List<(LogLevel Level, string Text)> Entries { get; } = [];

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Entries.Add((logLevel, formatter(state, exception)));
    }
}
