using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.IntegrationTests.Ends;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Limits;

/// <summary>Sides that do not read: clients, and a handler.</summary>
[Collection(MeasuredAlone.Name)]
public sealed class SlowReaderTests(ITestOutputHelper output)
{
    private const int SolSocket = 1;
    private const int MemInfo = 55; // SO_MEMINFO (socket(7)); what follows are places in it, linux/sock_diag.h.
    private const int ForwardAllocated = 4;
    private const int WriteQueued = 5;

    [LinuxFact]
    public async Task A_client_that_takes_a_little_all_the_time_gets_everything()
    {
        // Less, in the time that ends one that takes nothing, than the part of a block that one send is given.
        const int Size = 300_000;
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                await Ends.Ends.RequestAsync(connection);
                connection.Transport.Output.Write(new byte[Size]);
                await connection.Transport.Output.FlushAsync();
            },
            endpoint: endpoint =>
            {
                endpoint.Timeouts.WriteProgress = TimeSpan.FromSeconds(3);
                endpoint.Socket.SendBufferSizeInBytes = 8192;
            });
        using var client = await server.ConnectAsync(receiveBuffer: 4096);
        await client.SendAsync("get?"u8.ToArray());
        var buffer = new byte[16 * 1024];
        long received = 0;
        for (var i = 0; i < 16; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System);
            received += await client.ReceiveAsync(buffer.AsMemory(0, 2048), SocketFlags.None);
        }

        output.WriteLine($"{received:N0} of {Size:N0} bytes were taken in 8 s, write timeout 3 s");
        Assert.Equal(Size, received + await client.ReceiveToEndAsync(buffer));
    }

    [LinuxFact]
    public async Task Clients_that_never_read_hold_little_and_are_ended_at_the_write_timeout()
    {
        const int Clients = 500;
        const int WriteBound = 64 * 1024;
        const long Offered = 100_000_000;
        var timeout = TimeSpan.FromSeconds(5);
        var sockets = new List<Socket>();
        int writing = 0, ended = 0;
        long given = 0;
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                lock (sockets)
                {
                    sockets.Add(connection.Features.Get<IConnectionSocketFeature>()!.Socket);
                }

                await begin.Task;
                var writer = connection.Transport.Output;
                for (long written = 0; written < Offered; written += WriteBound)
                {
                    writer.GetSpan(WriteBound)[..WriteBound].Fill(1);
                    writer.Advance(WriteBound);
                    var flush = writer.FlushAsync();
                    if (!flush.IsCompleted)
                    {
                        Interlocked.Increment(ref writing);
                    }

                    if ((await flush).IsCompleted)
                    {
                        Interlocked.Increment(ref ended);
                        return;
                    }

                    Interlocked.Add(ref given, WriteBound);
                }
            },
            endpoint: endpoint => endpoint.Timeouts.WriteProgress = timeout);
        var clients = new List<Socket>();
        for (var i = 0; i < Clients; i++)
        {
            clients.Add(await server.ConnectAsync());
        }

        await UntilAsync(() => sockets.Count == Clients);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var started = Stopwatch.GetTimestamp();
        begin.SetResult();
        await UntilAsync(() => writing >= Clients);
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        var growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        var kernel = sockets.ConvertAll(KernelMemoryOf);
        await server.Endpoint.WaitForConnectionsAsync(0).WaitAsync(RealServer.Limit);
        var took = Stopwatch.GetElapsedTime(started);
        output.WriteLine(
            $"{Clients} clients that never read, {Offered:N0} bytes offered to each: {growth / Clients:N0} managed bytes each ({growth:N0} in all), {kernel.Average():N0} in the kernel (most {kernel.Max():N0}); all ended after {took.TotalSeconds:0.0} s, write timeout {timeout.TotalSeconds} s");
        clients.ForEach(client => client.Dispose());
        Assert.Equal(Clients, ended);
        Assert.InRange(growth, long.MinValue, Clients * (WriteBound + (16L * 1024)));

        // 32 KiB of bytes, and what the kernel needs to keep them.
        Assert.All(kernel, bytes => Assert.InRange(bytes, 0, 40 * 1024));
        Assert.InRange(took, timeout, timeout + TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_handler_that_stops_reading_while_a_gigabyte_comes_keeps_nothing_and_loses_nothing()
    {
        const long Size = 1_000_000_000;
        var pause = TimeSpan.FromSeconds(4);
        long most = 0;
        var hashed = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                var baseline = 0L;
                long received = 0, paused = 0;
                while (true)
                {
                    var read = await connection.Transport.Input.ReadAsync();
                    Append(hash, read.Buffer);
                    received += read.Buffer.Length;
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                    {
                        hashed.SetResult(hash.GetHashAndReset());
                        return;
                    }

                    if (received > Size / 4 && paused++ == 0)
                    {
                        baseline = GC.GetTotalMemory(forceFullCollection: true);
                        await Task.Delay(pause, TimeProvider.System);
                        most = GC.GetTotalMemory(forceFullCollection: true) - baseline;
                    }
                }
            },
            endpoint: endpoint => endpoint.Timeouts.Idle = TimeSpan.FromSeconds(2));
        using var client = await server.ConnectAsync();
        using var sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var random = new Random(1);
        var block = new byte[256 * 1024];
        var started = Stopwatch.GetTimestamp();
        for (long bytes = 0; bytes < Size; bytes += block.Length)
        {
            random.NextBytes(block.AsSpan(0, 64));
            sent.AppendData(block);
            for (var part = 0; part < block.Length;)
            {
                part += await client.SendAsync(block.AsMemory(part), SocketFlags.None);
            }
        }

        client.Shutdown(SocketShutdown.Send);
        var equal = (await hashed.Task.WaitAsync(RealServer.Limit)).SequenceEqual(sent.GetHashAndReset());
        output.WriteLine(
            $"1 GB in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, with a pause of {pause.TotalSeconds} s and an idle timeout of 2 s: memory grew by {most:N0} bytes in the pause; SHA-256 {(equal ? "equal" : "different")}");
        Assert.True(equal);
        Assert.InRange(most, long.MinValue, 1 << 20);
    }

    [LinuxFact]
    public async Task A_peer_that_only_acknowledges_is_not_idle_and_one_that_is_sent_nothing_is()
    {
        var idle = TimeSpan.FromSeconds(2);
        var written = 0;
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                var isFirst = Interlocked.Increment(ref written) == 1;
                for (var i = 0; i < 12 && isFirst; i++)
                {
                    await connection.Transport.Output.WriteAsync(new byte[10]);
                    await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System);
                }

                if (!isFirst)
                {
                    await connection.Transport.Input.ReadAsync();
                }
            },
            endpoint: endpoint => endpoint.Timeouts.Idle = idle);
        using var fed = await server.ConnectAsync();
        await UntilAsync(() => written == 1);
        using var silent = await server.ConnectAsync();
        var started = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<SocketException>(() => silent.ReceiveToEndAsync(new byte[16]));
        var took = Stopwatch.GetElapsedTime(started);
        var received = await fed.ReceiveToEndAsync(new byte[16]);
        output.WriteLine($"idle timeout {idle.TotalSeconds} s: the silent one ended after {took.TotalSeconds:0.00} s, the one that only acknowledged got all {received} bytes in 6 s");
        Assert.InRange(took, idle - TimeSpan.FromMilliseconds(100), idle + TimeSpan.FromSeconds(1.5));
        Assert.Equal(120, received);
    }

    private static void Append(IncrementalHash hash, ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
        {
            hash.AppendData(segment.Span);
        }
    }

    private static int KernelMemoryOf(Socket socket)
    {
        Span<byte> raw = stackalloc byte[9 * sizeof(int)];
        socket.GetRawSocketOption(SolSocket, MemInfo, raw);
        return BitConverter.ToInt32(raw[(ForwardAllocated * sizeof(int))..]) + BitConverter.ToInt32(raw[(WriteQueued * sizeof(int))..]);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }
    }
}
