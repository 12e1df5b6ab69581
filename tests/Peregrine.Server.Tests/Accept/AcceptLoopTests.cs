using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Accept;
using Peregrine.Server.Admission;
using Peregrine.Server.Tests.Admission;

namespace Peregrine.Server.Tests.Accept;

[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Neither the log nor the scripted listener holds anything.")]
public sealed class AcceptLoopTests : IDisposable
{
    private readonly TestAdmission _admission = new();
    private readonly CountingClock _clock = new();
    private readonly RecordedLog _log = new();
    private readonly ScriptedListener _listener = new();
    private readonly ConcurrentQueue<ConnectionContext> _started = new();

    [Fact]
    public async Task It_ends_when_the_listener_has_no_more_connections()
    {
        _listener.Then(() => new DefaultConnectionContext()).Then(() => new DefaultConnectionContext()).Then(() => null);
        var wasAsked = await Loop(out _);
        Assert.Equal(2, _started.Count);
        Assert.False(wasAsked);
    }

    [Fact]
    public async Task An_end_that_was_asked_for_is_not_reported()
    {
        var gate = new TaskCompletionSource<ConnectionContext?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _listener.Then(gate.Task);
        var running = Loop(out var loop);
        loop.Stop();
        gate.SetResult(null);
        Assert.True(await running.InTimeAsync());
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public async Task What_is_queued_is_accepted_after_the_stop()
    {
        var gate = new TaskCompletionSource<ConnectionContext?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _listener.Then(gate.Task).Then(() => new DefaultConnectionContext()).Then(() => null);
        var running = Loop(out var loop);
        loop.Stop();
        gate.SetResult(new DefaultConnectionContext());
        await running.InTimeAsync();
        Assert.Equal(2, _started.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_error_of_the_listener_backs_off_and_does_not_end_it(bool logThrows)
    {
        _log.Throws = logThrows;
        double[] expected = [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000];
        foreach (var _ in expected)
        {
            _listener.Then(() => throw new InvalidOperationException("no"));
        }

        var gate = new TaskCompletionSource<ConnectionContext?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _listener.Then(() => new DefaultConnectionContext()).Then(() => throw new InvalidOperationException("no")).Then(gate.Task);
        var running = Loop(out var loop);
        for (var errors = 1; errors <= expected.Length; errors++)
        {
            await WaitForAsync(() => _clock.Timers == errors);
            _clock.Advance(TimeSpan.FromMilliseconds(expected[errors - 1] - 1));
            Assert.Equal(errors, _listener.Calls);
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            await WaitForAsync(() => _listener.Calls > errors);
        }

        // After a connection was accepted, the next error starts from the shortest delay again.
        await WaitForAsync(() => _started.Count == 1 && _clock.Timers == expected.Length + 1);
        _clock.Advance(TimeSpan.FromMilliseconds(5));
        await WaitForAsync(() => _listener.Calls == expected.Length + 3);

        // Once a minute, not at every error.
        Assert.Single(_log.WithId(6));
        loop.Stop();
        gate.SetResult(null);
        await running.InTimeAsync();
    }

    [Fact]
    public async Task A_connection_that_cannot_be_started_does_not_end_it()
    {
        _listener.Then(() => new Unabortable { ConnectionId = "bad" }).Then(() => new DefaultConnectionContext("good")).Then(() => null);
        var loop = Create((connection, network) => Start(connection.ConnectionId == "bad" ? null : connection));
        await loop.RunAsync().InTimeAsync();
        Assert.Equal("good", Assert.Single(_started).ConnectionId);
        Assert.Single(_log.WithId(14));
        Assert.Equal(1, _admission.Server.Places.Count);
    }

    [Fact]
    public async Task A_listener_that_is_disposed_is_gone()
    {
        _listener.Then(() => throw new ObjectDisposedException("listener"));
        Assert.False(await Loop(out _));
    }

    [Fact]
    public async Task An_error_while_it_is_stopping_ends_it()
    {
        var gate = new TaskCompletionSource<ConnectionContext?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _listener.Then(gate.Task);
        var running = Loop(out var loop);
        loop.Stop();
        gate.SetException(new ObjectDisposedException("listener"));
        await running.InTimeAsync();
    }

    public void Dispose() => _admission.Dispose();

    private Task<bool> Loop(out AcceptLoop loop)
    {
        loop = Create((connection, _) => Start(connection));
        return Task.Run(loop.RunAsync).InTimeAsync();
    }

    private AcceptLoop Create(Action<ConnectionContext, PeerNetwork> start) =>
        new(_listener, _admission.Endpoint, start, _admission.Metrics, _clock, new GuardedLogger(_log.CreateLogger("Peregrine")));

    private void Start(ConnectionContext? connection) => _started.Enqueue(connection ?? throw new InvalidOperationException("It is broken."));

    private static async Task WaitForAsync(Func<bool> condition)
    {
        for (var i = 0; i < 12_000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.True(condition());
    }

    /// <summary>The library's aborts on the thread pool what its disposal has disposed, which ends the process.</summary>
    private sealed class Unabortable : DefaultConnectionContext
    {
        public override void Abort(ConnectionAbortedException abortReason)
        {
        }
    }

    /// <summary>Counts the timers that were made of it, so that a test advances it only when somebody waits.</summary>
    private sealed class CountingClock : FakeTimeProvider
    {
        private int _timers;

        public int Timers => Volatile.Read(ref _timers);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _timers);
            return timer;
        }
    }

    private sealed class ScriptedListener : IConnectionListener
    {
        private readonly Queue<Func<Task<ConnectionContext?>>> _script = new();
        private int _calls;

        public EndPoint EndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 1);

        public int Calls => Volatile.Read(ref _calls);

        public ScriptedListener Then(Func<ConnectionContext?> step) => Then(() => Task.FromResult(step()));

        public ScriptedListener Then(Task<ConnectionContext?> step) => Then(() => step);

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _calls);
            return await _script.Dequeue()();
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private ScriptedListener Then(Func<Task<ConnectionContext?>> step)
        {
            _script.Enqueue(step);
            return this;
        }
    }
}
