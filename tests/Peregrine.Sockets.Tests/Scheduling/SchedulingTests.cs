using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Scheduling;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Tests.Scheduling;

public sealed class SchedulingTests : IDisposable
{
    private static readonly IPEndPoint EndPoint = new(IPAddress.Loopback, 7000);
    private readonly FakeTimeProvider _clock = new();
    private readonly RecordedLog _log = new();
    private readonly Heartbeat _heartbeat;

    public SchedulingTests() => _heartbeat = new Heartbeat(_clock);

    [Fact]
    public async Task Inline_in_a_process_that_has_used_sockets_falls_back_and_says_so_once()
    {
        using (var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.LocalEndPoint!);
            using var server = await listener.AcceptAsync();
            var receiving = server.ReceiveAsync(new byte[1].AsMemory());
            await client.SendAsync(new byte[1]);
            await receiving.Bounded();
        }

        var before = Environment.GetEnvironmentVariable(InlineCompletions.Variable);
        for (var i = 0; i < 3; i++)
        {
            _ = new SocketTransportFactory(new SocketTransportOptions { Scheduling = ConnectionScheduling.Inline }, _log);
        }

        Assert.False(InlineCompletions.TryEnable());
        Assert.Equal(before, Environment.GetEnvironmentVariable(InlineCompletions.Variable));
        var warning = Assert.Single(_log.Messages);
        Assert.Contains(InlineCompletions.Variable + "=1", warning, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_completion_on_an_event_loop_stays_there_only_for_an_endpoint_that_is_inline(bool inline)
    {
        var watch = inline ? new LoopWatch(_heartbeat, _log) : null;
        var pool = new DefaultObjectPool<SaeaStreamSocket.SendArgs>(new SaeaStreamSocket.SendArgsPolicy());
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var state = new SaeaStreamSocket.State(socket, pool, watch, EndPoint);
        var work = new Work();
        var loop = new Thread(() => state.Complete(work));
        loop.Start();
        var thread = await work.RanOn.Task.Bounded();
        Assert.Equal(inline, thread == loop);
        loop.Join();
    }

    [Fact]
    public void A_loop_that_was_held_is_reported_when_it_is_given_back_and_once_a_minute()
    {
        var watch = new LoopWatch(_heartbeat, _log);
        Hold(watch, TimeSpan.FromMilliseconds(99));
        Assert.Empty(_log.Messages);
        Hold(watch, TimeSpan.FromMilliseconds(150));
        var message = Assert.Single(_log.Messages);
        Assert.Contains("127.0.0.1:7000", message, StringComparison.Ordinal);
        Assert.Contains("150 ms", message, StringComparison.Ordinal);
        Assert.Contains("ThreadPool", message, StringComparison.Ordinal);
        Hold(watch, TimeSpan.FromMilliseconds(150));
        Assert.Single(_log.Messages);
        _clock.Advance(TimeSpan.FromMinutes(1));
        Hold(watch, TimeSpan.FromMilliseconds(150));
        Assert.Equal(2, _log.Messages.Count);
    }

    [Fact]
    public void A_loop_that_is_never_given_back_is_reported_all_the_same()
    {
        var watch = new LoopWatch(_heartbeat, _log);
        var loop = watch.Enter(EndPoint);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Single(_log.Messages);
        watch.Exit(loop);
        Assert.Single(_log.Messages);
    }

    public void Dispose() => _heartbeat.Dispose();

    private void Hold(LoopWatch watch, TimeSpan time)
    {
        var loop = watch.Enter(EndPoint);
        _clock.Advance(time);
        watch.Exit(loop);
    }

    private sealed class Work : IThreadPoolWorkItem
    {
        public TaskCompletionSource<Thread> RanOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Execute() => RanOn.SetResult(Thread.CurrentThread);
    }

    private sealed class RecordedLog : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<string> Messages { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
