using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Middleware.Sessions;

namespace Peregrine.Middleware.Tests.Sessions;

/// <summary>An endpoint with sessions, without a socket: a test gives it batches, beats and stops it, and looks at what it sends.</summary>
internal sealed class SessionEndpoint : IDatagramBuilder
{
    private readonly SessionMiddleware _sessions;

    public SessionEndpoint(Func<DatagramSession, Task> handler, Action<DatagramSessionOptions>? configure = null, Action<IServiceCollection>? services = null)
    {
        var collection = new ServiceCollection().AddMetrics().AddSingleton<TimeProvider>(Clock).AddSingleton<ILoggerFactory>(Log);
        services?.Invoke(collection);
        ApplicationServices = collection.BuildServiceProvider();
        var options = new DatagramSessionOptions();
        configure?.Invoke(options);
        _sessions = new SessionMiddleware(this, options, handler);
    }

    public IServiceProvider ApplicationServices { get; }

    public string EndpointName => "game";

    public DatagramCounters Counters { get; } = new();

    public FakeTimeProvider Clock { get; } = new();

    public RecordedLog Log { get; } = new(LogLevel.Debug);

    public RecordedSender Sender { get; set; } = new();

    public DatagramDelegate Delegate => _sessions.OnDatagramsAsync;

    public SessionTable Table => _sessions.Table;

    public DatagramPool Pool => _sessions.Pool;

    public static DatagramAddress Peer(int number, ushort port = 5000) => new(0x0A00_0000u + (uint)number, port);

    public static Datagram From(DatagramAddress peer, params byte[] payload) => new(payload, new DatagramPath(peer));

    /// <summary>Receives datagrams, in one batch.</summary>
    public void Receive(params ReadOnlySpan<Datagram> datagrams)
    {
        var batch = new DatagramBatch();
        foreach (ref readonly var datagram in datagrams)
        {
            batch.Add(in datagram);
        }

        Receive(batch);
    }

    public void Receive(DatagramBatch batch) => Assert.True(_sessions.OnDatagramsAsync(batch, Sender).AsTask().IsCompletedSuccessfully);

    public void Beat(double seconds = 0)
    {
        Clock.Advance(TimeSpan.FromSeconds(seconds));
        _sessions.Beat();
    }

    public Task StopAsync(CancellationToken deadline = default) => _sessions.StopAsync(deadline);

    public long Dropped(DatagramDropReason reason) => Counters.GetDropped(reason);

    public long DroppedOnReceipt() => Enum.GetValues<DatagramDropReason>().Where(static reason => reason is < DatagramDropReason.SendQueueFull
        or >= DatagramDropReason.SessionLimit and <= DatagramDropReason.SessionEnded).Sum(Dropped);

    /// <summary>Waits until all handlers have returned, and nothing is kept for anybody.</summary>
    public async Task AssertEmptyAsync()
    {
        await TestTimeout.UntilAsync(() => Table.Count == 0 && Table.EndingCount == 0);
        Assert.Equal(0, Pool.Used);
    }

    IDatagramBuilder IDatagramBuilder.Use(Func<DatagramDelegate, DatagramDelegate> middleware) => throw new NotSupportedException();

    IDatagramBuilder IDatagramBuilder.OnHeartbeat(Action beat) => throw new NotSupportedException();

    IDatagramBuilder IDatagramBuilder.OnStopping(Func<CancellationToken, Task> drain) => throw new NotSupportedException();

    DatagramDelegate IDatagramBuilder.Build() => throw new NotSupportedException();
}

/// <summary>Keeps what is sent.</summary>
internal sealed class RecordedSender : DatagramSender
{
    private readonly ConcurrentQueue<(DatagramPath Path, byte[] Payload)> _sent = new();

    public IReadOnlyList<(DatagramPath Path, byte[] Payload)> Sent => [.. _sent];

    public bool IsFull { get; set; }

    /// <summary>Whether it keeps nothing.</summary>
    public bool Discards { get; set; }

    /// <summary>What <see cref="SendAsync"/> waits for.</summary>
    public Task Room { get; set; } = Task.CompletedTask;

    public override int MaxPayloadSizeInBytes => 65_507;

    public long BytesTo(DatagramAddress address) => _sent.Where(sent => sent.Path.RemoteAddress == address).Sum(static sent => (long)sent.Payload.Length);

    public override bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default)
    {
        if (IsFull)
        {
            return false;
        }

        if (!Discards)
        {
            _sent.Enqueue((path, payload.ToArray()));
        }

        return true;
    }

    public override async ValueTask SendAsync(ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default)
    {
        await Room.WaitAsync(cancellationToken);
        TrySend(payload.Span, in path, marks);
    }

    public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => default;
}

/// <summary>Handlers that tests look into.</summary>
internal sealed class Handled
{
    private readonly ConcurrentDictionary<DatagramAddress, TaskCompletionSource<DatagramSession>> _sessions = new();
    private readonly ConcurrentQueue<byte[]> _payloads = new();
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _delivered;

    /// <summary>How many datagrams handlers have had.</summary>
    public long Delivered => Interlocked.Read(ref _delivered);

    public IReadOnlyList<byte[]> Payloads => [.. _payloads];

    /// <summary>The last session with an address, when its handler has begun.</summary>
    public Task<DatagramSession> SessionWithAsync(DatagramAddress address) => Slot(address).Task.Bounded();

    /// <summary>Lets the handlers of <see cref="ReadLaterAsync"/> read.</summary>
    public void Open() => _gate.TrySetResult();

    public async Task ReadAsync(DatagramSession session)
    {
        Slot(session.RemoteAddress).TrySetResult(session);
        await foreach (var datagram in session)
        {
            // Kept before it is counted: who waits for the count looks at it.
            _payloads.Enqueue(datagram.Payload.ToArray());
            Interlocked.Increment(ref _delivered);
        }
    }

    public void Take() => Interlocked.Increment(ref _delivered);

    public async Task CountAsync(DatagramSession session)
    {
        await foreach (var datagram in session)
        {
            Interlocked.Increment(ref _delivered);
        }
    }

    public async Task ReadLaterAsync(DatagramSession session)
    {
        Slot(session.RemoteAddress).TrySetResult(session);
        await _gate.Task;
        await ReadAsync(session);
    }

    private TaskCompletionSource<DatagramSession> Slot(DatagramAddress address) =>
        _sessions.GetOrAdd(address, static _ => new TaskCompletionSource<DatagramSession>(TaskCreationOptions.RunContinuationsAsynchronously));
}
