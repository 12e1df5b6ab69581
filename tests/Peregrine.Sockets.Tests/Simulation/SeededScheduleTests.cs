using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;
using Peregrine.Sockets.Connections;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Simulation;

/// <summary>The reader, the writer and the close sequence under 10,000 orders of events, each decided by its seed.</summary>
public sealed class SeededScheduleTests
{
    private const int Schedules = 10_000;

    private static readonly SafeFileHandle s_file = CreateFile();

    [Fact]
    public void Every_byte_arrives_in_order_and_every_block_comes_back() => ForEachSeed(0, TransferBothWaysAsync);

    [Fact]
    public void A_reset_at_any_moment_ends_both_sides_and_every_block_comes_back() => ForEachSeed(1_000_000, TransferUntilResetAsync);

    [Fact]
    public void An_abort_at_any_moment_of_a_close_ends_both_sides_once_and_every_block_comes_back() =>
        ForEachSeed(2_000_000, CloseUntilAbortAsync, schedules: 2 * Schedules);

    [Fact]
    public void A_pool_that_fails_at_any_rent_ends_both_sides_and_every_block_comes_back() => ForEachSeed(3_000_000, TransferUntilPoolFailsAsync, fails: true);

    [Fact]
    public void An_abort_beside_a_close_on_another_thread_ends_it()
    {
        for (var seed = 0; seed < 2 * Schedules; seed++)
        {
            var network = new SimulatedNetwork(seed);
            using var pool = new LeakCheckingMemoryPool();
            var pair = SimulatedPair.Connect(network, pool, blockSizeInBytes: 16);
            var wait = seed % 200;
            var closing = Task.CompletedTask;
            Parallel.Invoke(
                () => closing = pair.Server.DisposeAsync().AsTask(),
                () =>
                {
                    Thread.SpinWait(wait);
                    pair.Server.Abort(new ConnectionAbortedException("Beside the close."));
                });
            network.RunUntilComplete(closing);
            pair.Client.Abort();
        }
    }

    private static void ForEachSeed(int firstSeed, Func<SimulatedNetwork, SimulatedPair, Random, Task> program, int schedules = Schedules, bool fails = false)
    {
        // xunit's synchronization context would move the programs to other threads, and the order would not be the seed's.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            for (var seed = firstSeed; seed < firstSeed + schedules; seed++)
            {
                Run(seed, program, fails);
            }
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private static void Run(int seed, Func<SimulatedNetwork, SimulatedPair, Random, Task> program, bool fails)
    {
        var random = new Random(seed);
        var network = new SimulatedNetwork(seed);
        var blockSize = random.Next(3) switch { 0 => 1, 1 => random.Next(2, 16), _ => random.Next(16, 600) };

        // Now and then its blocks are as small as what is asked for, and messages longer than they are; by default none is smaller than 4 KiB.
        var pool = random.Next(4) == 0 ? new LeakCheckingMemoryPool(blockSize) : new LeakCheckingMemoryPool();
        var pair = SimulatedPair.Connect(network, fails ? new FailingPool(pool, random.Next(200)) : pool, blockSize);
        try
        {
            network.RunUntilComplete(program(network, pair, random));
            while (network.Step())
            {
            }

            pool.AssertAllReturned();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"Seed {seed}, blocks of {blockSize}: {exception.Message}", exception);
        }
    }

    private static async Task TransferBothWaysAsync(SimulatedNetwork network, SimulatedPair pair, Random random)
    {
        var toServer = random.Next(0, 3_000);
        var toClient = random.Next(0, 3_000);
        var programs = new[]
        {
            WriteAsync(network, pair.Client, toServer, random), ReadAsync(network, pair.Server.Input, toServer, random),
            WriteAsync(network, pair.Server, toClient, random), ReadAsync(network, pair.Client.Input, toClient, random),
        };
        await Task.WhenAll(programs);
        await Task.WhenAll(pair.Server.DisposeAsync().AsTask(), pair.Client.DisposeAsync().AsTask());
    }

    private static async Task TransferUntilResetAsync(SimulatedNetwork network, SimulatedPair pair, Random random)
    {
        var programs = new[]
        {
            UntilTheEndAsync(WriteAsync(network, pair.Client, 3_000, random)),
            UntilTheEndAsync(ReadAsync(network, pair.Server.Input, 3_000, random)),
            UntilTheEndAsync(WriteAsync(network, pair.Server, 3_000, random)),
            UntilTheEndAsync(ReadAsync(network, pair.Client.Input, 3_000, random)),
        };
        var abort = random.Next(3) switch { 0 => new[] { pair.Server }, 1 => [pair.Client], _ => [pair.Server, pair.Client] };
        for (var steps = random.Next(400); steps > 0; steps--)
        {
            await Turn(network);
        }

        foreach (var connection in abort)
        {
            connection.Abort(new ConnectionAbortedException("The schedule says so."));
        }

        await Task.WhenAll(programs);
        await Task.WhenAll(pair.Server.DisposeAsync().AsTask(), pair.Client.DisposeAsync().AsTask());
    }

    /// <summary>From some rent on every other one fails, of either side; a side that meets it aborts, if the reader has not done so for it.</summary>
    private static async Task TransferUntilPoolFailsAsync(SimulatedNetwork network, SimulatedPair pair, Random random)
    {
        var programs = new List<Task>();
        foreach (var connection in new[] { pair.Server, pair.Client })
        {
            programs.Add(UntilTheEndAsync(UntilPoolFailsAsync(connection, () => WriteAsync(network, connection, 3_000, random))));
            programs.Add(UntilTheEndAsync(UntilPoolFailsAsync(connection, () => ReadAsync(network, connection.Input, 3_000, random))));
        }

        await Task.WhenAll(programs);
        await Task.WhenAll(pair.Server.DisposeAsync().AsTask(), pair.Client.DisposeAsync().AsTask());
    }

    private static async Task UntilPoolFailsAsync(StreamConnection<SimulatedStreamSocket> connection, Func<Task> program)
    {
        try
        {
            await program();
        }
        catch (InsufficientMemoryException)
        {
            connection.Abort();
        }
    }

    /// <summary>Both read a part and close, and one or both abort at any moment: while they read, flush, complete, send the rest or linger.</summary>
    private static async Task CloseUntilAbortAsync(SimulatedNetwork network, SimulatedPair pair, Random random)
    {
        var ends = new[] { 0, 0 };
        StreamConnection<SimulatedStreamSocket>[] connections = [pair.Server, pair.Client];
        for (var i = 0; i < connections.Length; i++)
        {
            var side = i;
            if (random.Next(2) == 0)
            {
                connections[i].ConnectionClosed.UnsafeRegister(_ => Interlocked.Increment(ref ends[side]), null);
            }
            else
            {
                ends[i] = 1;
            }
        }

        var all = new List<Task>();
        foreach (var connection in connections)
        {
            all.Add(CloseAfterFlowsAsync(network, connection, random));
            if (connection == pair.Server || random.Next(2) == 0)
            {
                all.Add(AbortAfterAsync(network, connection, random.Next(random.Next(2) == 0 ? 100 : 2_000)));
            }
        }

        await Task.WhenAll(all);
        await Task.WhenAll(pair.Server.DisposeAsync().AsTask(), pair.Client.DisposeAsync().AsTask());
        Assert.All(connections, connection => Assert.NotEqual(ConnectionCloseReason.None, connection.Reason));
        SpinWait.SpinUntil(() => Volatile.Read(ref ends[0]) + Volatile.Read(ref ends[1]) >= 2, TimeSpan.FromSeconds(20));
        Assert.Equal([1, 1], ends);
    }

    private static async Task CloseAfterFlowsAsync(SimulatedNetwork network, StreamConnection<SimulatedStreamSocket> connection, Random random)
    {
        var writing = UntilTheEndAsync(WriteAsync(network, connection, random.Next(0, 3_000), random), halfCloses: true);
        await UntilTheEndAsync(ReadAsync(network, connection.Input, total: null, random));
        if (random.Next(2) == 0)
        {
            // While it may be writing still.
            await connection.CompleteOutputAsync();
        }

        await writing;
        await connection.DisposeAsync();
    }

    private static async Task AbortAfterAsync(SimulatedNetwork network, StreamConnection<SimulatedStreamSocket> connection, int turns)
    {
        for (; turns > 0; turns--)
        {
            await Turn(network);
        }

        connection.Abort(new ConnectionAbortedException("The schedule says so."));
    }

    private static async Task UntilTheEndAsync(Task program, bool halfCloses = false)
    {
        try
        {
            await program;
        }
        catch (Exception exception) when (
            exception is ConnectionAbortedException or ConnectionResetException || (halfCloses && exception is InvalidOperationException))
        {
            // The last of them where a writer meets that its output is completed.
        }
    }

    private static async Task WriteAsync(SimulatedNetwork network, StreamConnection<SimulatedStreamSocket> connection, int total, Random random)
    {
        var writer = connection.Output;
        var position = 0;
        while (position < total)
        {
            var count = Math.Min(total - position, random.Next(1, 200));
            var result = default(FlushResult);
            try
            {
                switch (random.Next(8))
                {
                    case 0:
                    case 5:
                    case 6:
                        var chunk = new byte[count];
                        Fill(chunk, position);
                        position += count;
                        try
                        {
                            result = await WriteAsync(network, writer, chunk, random);
                        }
                        finally
                        {
                            Array.Clear(chunk); // It is the caller's again, however the call ended.
                        }

                        break;
                    case 7:
                        position += count;
                        result = await connection.SendFileAsync(s_file, position - count, count, CancellationToken.None);
                        break;
                    case 1:
                        position += WriteToMemory(writer, position, count, random);
                        var flush = writer.FlushAsync();
                        network.Post(writer.CancelPendingFlush);
                        result = await flush;
                        break;
                    case 2:
                        position += WriteToMemory(writer, position, count, random);
                        var source = new CancellationTokenSource(); // Not disposed: its turn to cancel may come late.
                        var cancelled = writer.FlushAsync(source.Token);
                        network.Post(source.Cancel);
                        result = await cancelled;
                        break;
                    case 3:
                        position += WriteToMemory(writer, position, count, random);
                        break;
                    default:
                        position += WriteToMemory(writer, position, count, random);
                        result = await writer.FlushAsync();
                        break;
                }
            }
            catch (OperationCanceledException exception) when (exception is not ConnectionAbortedException)
            {
            }

            if (result.IsCompleted)
            {
                break;
            }
        }

        writer.Complete();
    }

    private static ValueTask<FlushResult> WriteAsync(SimulatedNetwork network, PipeWriter writer, byte[] chunk, Random random)
    {
        var source = new CancellationTokenSource(); // Not disposed: its turn to cancel may come late.
        var write = writer.WriteAsync(chunk, source.Token);
        switch (random.Next(3))
        {
            case 0:
                network.Post(writer.CancelPendingFlush);
                break;
            case 1:
                network.Post(source.Cancel);
                break;
        }

        return write;
    }

    private static SafeFileHandle CreateFile()
    {
        var content = new byte[3_000];
        Fill(content, 0);
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, content);
        return File.OpenHandle(path, options: FileOptions.DeleteOnClose);
    }

    private static int WriteToMemory(PipeWriter writer, int position, int count, Random random)
    {
        var memory = writer.GetMemory(random.Next(count + 1));
        var written = Math.Min(memory.Length, count);
        Fill(memory.Span[..written], position);
        writer.Advance(written);
        return written;
    }

    private static async Task ReadAsync(SimulatedNetwork network, PipeReader reader, int? total, Random random)
    {
        long position = 0;
        var atMost = total ?? random.Next(3_000);
        while (total is not null || position < atMost)
        {
            ReadResult result;
            try
            {
                switch (random.Next(6))
                {
                    case 0:
                        if (!reader.TryRead(out result))
                        {
                            await Turn(network);
                            continue;
                        }

                        break;
                    case 1:
                        var read = reader.ReadAsync();
                        network.Post(reader.CancelPendingRead);
                        result = await read;
                        break;
                    case 2:
                        var source = new CancellationTokenSource(); // Not disposed: its turn to cancel may come late.
                        var cancelled = reader.ReadAsync(source.Token);
                        network.Post(source.Cancel);
                        result = await cancelled;
                        break;
                    default:
                        result = await reader.ReadAsync();
                        break;
                }
            }
            catch (OperationCanceledException exception) when (exception is not ConnectionAbortedException)
            {
                continue;
            }

            Check(result.Buffer, position);
            if (result.IsCompleted && random.Next(2) == 0)
            {
                position += result.Buffer.Length;
                break;
            }

            var length = (int)result.Buffer.Length;
            var consumed = random.Next(length + 1);
            reader.AdvanceTo(
                result.Buffer.GetPosition(consumed),
                random.Next(2) == 0 ? result.Buffer.End : result.Buffer.GetPosition(random.Next(consumed, length + 1)));
            position += consumed;
        }

        if (total is not null)
        {
            Assert.Equal(total.Value, position);
        }

        reader.Complete();
    }

    private static Task Turn(SimulatedNetwork network)
    {
        var turn = new TaskCompletionSource();
        network.Post(turn.SetResult);
        return turn.Task;
    }

    private static void Fill(Span<byte> span, long position)
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = At(position + i);
        }
    }

    private static void Check(ReadOnlySequence<byte> buffer, long position)
    {
        foreach (var segment in buffer)
        {
            foreach (var value in segment.Span)
            {
                if (value != At(position))
                {
                    Assert.Fail($"Byte {position} is {value} instead of {At(position)}.");
                }

                position++;
            }
        }
    }

    private static byte At(long position) => (byte)((position * 31) ^ (position >> 8));

    private sealed class FailingPool(MemoryPool<byte> pool, int rentsBefore) : MemoryPool<byte>
    {
        private int _rents;

        public override int MaxBufferSize => pool.MaxBufferSize;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1) =>
            Interlocked.Increment(ref _rents) is var rents && rents > rentsBefore && rents % 2 == 0
                ? throw new InsufficientMemoryException()
                : pool.Rent(minBufferSize);

        protected override void Dispose(bool disposing)
        {
        }
    }
}
