using BenchmarkDotNet.Attributes;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Middleware;

namespace Peregrine.Benchmarks.Sessions;

/// <summary>What a datagram costs from the receive loop to the handler of its session, of a thousand.</summary>
[MemoryDiagnoser]
public class DispatchToSessions
{
    private const int Sessions = 1000;
    private const int BatchSize = 50;
    private const int Rounds = 4;
    private const int Datagrams = Sessions * Rounds;

    private readonly DatagramBatch[] _batches = new DatagramBatch[Sessions / BatchSize];
    private readonly Sink _sender = new();
    private DatagramDelegate _dispatch = null!;
    private Func<CancellationToken, Task> _stop = null!;
    private long _delivered;

    /// <summary>How many receive loops dispatch at the same time, each to sessions of its own.</summary>
    [Params(1, 2)]
    public int Loops { get; set; }

    [GlobalSetup]
    public void Start()
    {
        var builder = new Builder();
        builder.UseSessions(static options => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated, async session =>
        {
            await foreach (var datagram in session)
            {
                Expect.True(datagram.Payload.Length == 64, "The datagram is another one.");
                Interlocked.Increment(ref _delivered);
            }
        });
        (_dispatch, _stop) = (builder.Build(), builder.Drain!);
        for (var i = 0; i < _batches.Length; i++)
        {
            _batches[i] = new DatagramBatch(BatchSize);
            for (var j = 0; j < BatchSize; j++)
            {
                _batches[i].Add(new Datagram(RandomMessage.Of(64), new DatagramPath(new DatagramAddress(0x0A00_0000u + (uint)((i * BatchSize) + j), 7000))));
            }
        }

        DispatchAndHandle();
    }

    [GlobalCleanup]
    public void Stop() => _stop(CancellationToken.None).GetAwaiter().GetResult();

    [Benchmark(OperationsPerInvoke = Datagrams)]
    public void DispatchAndHandle()
    {
        var target = Interlocked.Read(ref _delivered) + Datagrams;
        if (Loops == 1)
        {
            Dispatch(0);
        }
        else
        {
            Parallel.For(0, Loops, Dispatch);
        }

        var wait = new SpinWait();
        while (Interlocked.Read(ref _delivered) < target)
        {
            wait.SpinOnce();
        }
    }

    private void Dispatch(int loop)
    {
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = loop; i < _batches.Length; i += Loops)
            {
                _ = _dispatch(_batches[i], _sender).AsTask();
            }
        }
    }

    private sealed class Sink : DatagramSender
    {
        public override int MaxPayloadSizeInBytes => 65_507;

        public override bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default) => true;

        public override ValueTask SendAsync(ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default) => default;

        public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => default;
    }

    private sealed class Builder : IDatagramBuilder, IServiceProvider
    {
        private DatagramDelegate _delegate = static (_, _) => default;

        public IServiceProvider ApplicationServices => this;

        public string EndpointName => "sessions";

        public DatagramCounters Counters { get; } = new();

        public Func<CancellationToken, Task>? Drain { get; private set; }

        public object? GetService(Type serviceType) => null;

        public IDatagramBuilder Use(Func<DatagramDelegate, DatagramDelegate> middleware)
        {
            _delegate = middleware(_delegate);
            return this;
        }

        public IDatagramBuilder OnHeartbeat(Action beat) => this;

        public IDatagramBuilder OnStopping(Func<CancellationToken, Task> drain)
        {
            Drain = drain;
            return this;
        }

        public DatagramDelegate Build() => _delegate;
    }
}
