using Peregrine.Middleware.Sessions;
using Peregrine.Middleware.Tests.Pipes;
using Xunit.Abstractions;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

[Collection(MeasuredAlone.Name)]
public sealed class FloodTests(ITestOutputHelper output)
{
    private const int Seed = 20_263;
    private const int Flood = 200_000;
    private const int BatchSize = 64;
    private const int MaxSessions = 1_000;
    private const long MaxQueuedBytes = 1 << 20;

    private readonly Handled _handled = new();

    [Fact]
    public async Task Two_hundred_thousand_datagrams_from_random_sources_stay_within_the_bounds_and_are_all_accounted_for()
    {
        var random = new Random(Seed);
        var endpoint = new SessionEndpoint(
            async session =>
            {
                if (session.Id % 3 == 0)
                {
                    session.Validate();
                }

                await _handled.CountAsync(session);
            },
            static options =>
            {
                options.MaxSessions = MaxSessions;
                options.MaxQueuedBytes = MaxQueuedBytes;
                options.Admit = static request => request.Payload.Length % 16 == 0 ? DatagramSessionAdmission.Refuse
                    : request.Payload.Length % 16 == 1 ? DatagramSessionAdmission.AcceptValidated
                    : DatagramSessionAdmission.AcceptUnvalidated;
            });
        var payload = new byte[1200];
        var batch = new DatagramBatch();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var (mostSessions, mostEnding, mostRented, mostGrowth) = (0, 0, 0L, 0L);
        for (var sent = 0; sent < Flood; sent += BatchSize)
        {
            batch.Clear();
            for (var i = 0; i < BatchSize; i++)
            {
                var source = random.Next(4) == 0
                    ? new DatagramAddress((ulong)random.NextInt64(), (ulong)random.NextInt64(), (ushort)random.Next(65536))
                    : new DatagramAddress((uint)random.NextInt64(1L << 32), (ushort)random.Next(65536));
                batch.Add(new Datagram(payload.AsMemory(0, random.Next(payload.Length)), new DatagramPath(source)));
            }

            endpoint.Receive(batch);
            mostSessions = Math.Max(mostSessions, endpoint.Table.Count);
            mostRented = Math.Max(mostRented, endpoint.Pool.Allocated);
            if (sent % (BatchSize * 100) == 0)
            {
                mostEnding = Math.Max(mostEnding, endpoint.Table.EndingCount);
                mostGrowth = Math.Max(mostGrowth, GC.GetTotalMemory(forceFullCollection: true) - before);
                endpoint.Beat(1);
            }
        }

        await endpoint.StopAsync().Bounded();
        await endpoint.AssertEmptyAsync();
        output.WriteLine($"{_handled.Delivered} delivered, {endpoint.DroppedOnReceipt()} dropped; most sessions {mostSessions} and {mostEnding} ending, {mostRented} bytes rented, {mostGrowth} bytes grown");
        Assert.Equal(Flood, _handled.Delivered + endpoint.DroppedOnReceipt());
        Assert.Equal(MaxSessions, mostSessions);
        Assert.InRange(mostEnding, 0, MaxSessions);
        Assert.InRange(mostRented, 1, MaxQueuedBytes);

        // Twice as many sessions as there may be, those that end included, of 2 KiB, and what is queued.
        Assert.InRange(mostGrowth, 0, (2 * MaxSessions * 2048) + MaxQueuedBytes);
    }

    [Fact]
    public async Task Several_receive_loops_lose_nothing_and_count_once()
    {
        const int Loops = 4;
        const int Batches = 500;
        var endpoint = new SessionEndpoint(_handled.CountAsync, static options =>
        {
            options.MaxSessions = 50;
            options.QueueLength = 8;
        });
        await Task.WhenAll(Enumerable.Range(0, Loops).Select(loop => Task.Run(() =>
        {
            var random = new Random(Seed + loop);
            var payload = new byte[100];
            for (var i = 0; i < Batches; i++)
            {
                var batch = new DatagramBatch();
                for (var j = 0; j < BatchSize; j++)
                {
                    // The same peers in each loop, and more of them than there may be.
                    batch.Add(new Datagram(payload.AsMemory(0, random.Next(100)), new DatagramPath(Peer(random.Next(70)))));
                }

                endpoint.Receive(batch);
                if (random.Next(20) == 0)
                {
                    endpoint.Table.Find(SessionKey.Of(Peer(random.Next(70))))?.Close();
                }
            }
        }))).Bounded();
        await endpoint.StopAsync().Bounded();
        await endpoint.AssertEmptyAsync();
        Assert.Equal(Loops * Batches * BatchSize, _handled.Delivered + endpoint.DroppedOnReceipt());
    }

    [Fact]
    public async Task The_end_of_a_session_and_its_datagrams_race_without_losing_or_returning_anything_twice()
    {
        var random = new Random(Seed);
        for (var round = 0; round < 2_000; round++)
        {
            var handled = new Handled();
            var takes = random.Next(6);
            var endpoint = new SessionEndpoint(
                async session =>
                {
                    if (takes == 0)
                    {
                        return;
                    }

                    // Left in the middle, as by a break, or read to the end.
                    var taken = 0;
                    await foreach (var datagram in session)
                    {
                        handled.Take();
                        if (++taken == takes)
                        {
                            break;
                        }
                    }

                    if (takes > 3)
                    {
                        await handled.CountAsync(session);
                    }
                },
                static options => options.QueueLength = 2);
            var ending = random.Next(4);
            var spins = random.Next(200);
            var receiving = Task.Run(() =>
            {
                for (var i = 0; i < 8; i++)
                {
                    endpoint.Receive(From(Peer(1), 1), From(Peer(1), 2));
                }
            });
            Thread.SpinWait(spins);
            if (ending == 0)
            {
                endpoint.Table.Find(SessionKey.Of(Peer(1)))?.Close();
            }
            else if (ending == 1)
            {
                endpoint.Beat(31);
            }
            else if (ending == 2)
            {
                await endpoint.StopAsync();
            }

            await receiving.Bounded();
            await endpoint.StopAsync().Bounded();
            await endpoint.AssertEmptyAsync();
            Assert.Equal(16, handled.Delivered + endpoint.DroppedOnReceipt());
            Assert.Equal(endpoint.Log.Entries, []);
        }
    }

    [Fact]
    public async Task A_datagram_to_a_session_that_waits_allocates_nothing()
    {
        const int Sessions = 100;
        const int Rounds = 200;
        var endpoint = new SessionEndpoint(_handled.CountAsync, static options => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated);
        var batch = new DatagramBatch();
        for (var i = 0; i < Sessions; i++)
        {
            batch.Add(From(Peer(i), new byte[64]));
        }

        var least = long.MaxValue;
        for (var attempt = 0; attempt < 6 && least > 100; attempt++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var delivered = _handled.Delivered;
            for (var i = 1; i <= Rounds; i++)
            {
                endpoint.Receive(batch);
                SpinWait.SpinUntil(() => _handled.Delivered == delivered + (i * Sessions));
            }

            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / Rounds);
        }

        output.WriteLine($"{(double)least / Sessions} bytes for each datagram");

        // A closure and what the runtime does; an object for each datagram were a hundred of them.
        Assert.InRange(least, 0, 24 * Sessions / 4);
    }

    [Fact]
    public async Task A_slow_session_does_not_delay_a_thousand_good_ones()
    {
        var clock = TimeProvider.System;
        var (blocked, release) = (new SemaphoreSlim(0), new ManualResetEventSlim());
        var latencies = new LatencyRecorder();
        var endpoint = new SessionEndpoint(async session =>
        {
            await foreach (var datagram in session)
            {
                if (session.RemoteAddress == Peer(0))
                {
                    // As bad as it can be: it holds its thread.
                    blocked.Release();
                    release.Wait();
                }
                else
                {
                    latencies.Add(clock.GetTimestamp() - datagram.Timestamp);
                }
            }
        }, static options => options.Admit = static _ => DatagramSessionAdmission.AcceptValidated);
        ThreadPool.GetMinThreads(out var workers, out var ports);
        ThreadPool.SetMinThreads(workers + 2, ports);
        try
        {
            var payload = new byte[64];
            await RoundAsync();

            // In turns, so that what else the machine does meets both alike.
            var (alone, beside) = (new List<long>(), new List<long>());
            for (var round = 0; round < 7; round++)
            {
                alone.Add(await RoundAsync());
                release.Reset();
                endpoint.Receive(Enumerable.Repeat(From(Peer(0), payload), 1000).ToArray());
                await blocked.WaitAsync(TestTimeout.Limit);
                beside.Add(await RoundAsync());
                release.Set();
                await TestTimeout.UntilAsync(() => endpoint.Pool.Used == 0);
                while (blocked.Wait(0))
                {
                }
            }

            // The p99 of a thousand in a fraction of a millisecond is noise below it.
            var (p99Alone, p99Beside) = (alone.Order().ElementAt(3), beside.Order().ElementAt(3));
            output.WriteLine($"p99 {clock.GetElapsedTime(0, p99Alone).TotalMicroseconds:F0} µs alone, {clock.GetElapsedTime(0, p99Beside).TotalMicroseconds:F0} µs beside a slow one");
            Assert.InRange(p99Beside, 0, Math.Max(2 * p99Alone, clock.TimestampFrequency / 100));

            async Task<long> RoundAsync()
            {
                latencies.Clear();
                for (var i = 1; i <= 1000; i += 50)
                {
                    var batch = new DatagramBatch();
                    for (var peer = i; peer < i + 50; peer++)
                    {
                        batch.Add(new Datagram(payload, new DatagramPath(Peer(peer)), timestamp: clock.GetTimestamp()));
                    }

                    endpoint.Receive(batch);
                }

                await TestTimeout.UntilAsync(() => latencies.Count == 1000);
                return latencies.Percentile99();
            }
        }
        finally
        {
            release.Set();
            ThreadPool.SetMinThreads(workers, ports);
        }
    }

    private sealed class LatencyRecorder
    {
        private readonly long[] _latencies = new long[1000];
        private int _begun;
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public void Add(long latency)
        {
            _latencies[Interlocked.Increment(ref _begun) - 1] = latency;
            Interlocked.Increment(ref _count);
        }

        public void Clear() => _begun = _count = 0;

        public long Percentile99() => _latencies.Order().ElementAt(989);
    }
}
