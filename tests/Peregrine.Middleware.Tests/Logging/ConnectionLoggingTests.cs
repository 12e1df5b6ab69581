using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server;

namespace Peregrine.Middleware.Tests.Logging;

public sealed partial class ConnectionLoggingTests
{
    private const string Category = "Peregrine.Middleware.ConnectionLogging";
    private const int Passed = 1;
    private const int Dumped = 2;
    private const int Ended = 3;
    private const int Unflushed = 4;

    [Fact]
    public async Task Off_it_leaves_the_connection_as_it_is()
    {
        var isSame = new TaskCompletionSource<bool>();
        System.IO.Pipelines.IDuplexPipe? transport = null;
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(new RecordedLog(LogLevel.Information)),
            builder => builder.Use(next => connection =>
            {
                transport = connection.Transport;
                return next(connection);
            }).UseConnectionLogging(),
            connection =>
            {
                isSame.SetResult(ReferenceEquals(transport, connection.Transport)
                    && connection.Features.Get<IConnectionHalfCloseFeature>() is not null);
                return Task.CompletedTask;
            });
        await (await pipeline.ConnectAsync()).Ended.Bounded();
        Assert.True(await isSame.Task);
    }

    [Fact]
    public async Task A_dump_has_direction_connection_offset_and_bytes_in_hexadecimal_and_ASCII()
    {
        var log = new RecordedLog(LogLevel.Trace);
        await using var pipeline = Build(log, static _ => { }, async connection =>
        {
            var read = await connection.Transport.Input.ReadAtLeastAsync(20);
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            connection.Transport.Output.Write("Yes"u8);
            connection.Transport.Output.Write(", I am.\n"u8);
            await connection.Transport.Output.FlushAsync();
            await connection.Transport.Output.WriteAsync(new byte[] { 0, 127, 255 });
        });
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.WriteAsync("Are you there, Bob?\n"u8.ToArray());
        await run.Ended.Bounded();
        var id = run.Server.ConnectionId;
        Assert.Equal(
            [
                $"""
                Connection {id}: Received 20 bytes at offset 0
                00000000  41 72 65 20 79 6f 75 20 74 68 65 72 65 2c 20 42  |Are you there, B|
                00000010  6f 62 3f 0a                                      |ob?.|
                """,
                $"""
                Connection {id}: Sent 11 bytes at offset 0
                00000000  59 65 73 2c 20 49 20 61 6d 2e 0a                 |Yes, I am..|
                """,
                $"""
                Connection {id}: Sent 3 bytes at offset 11
                0000000b  00 7f ff                                         |...|
                """,
            ],
            log.WithId(Dumped, Category).Select(entry => entry.Message));
        Assert.All(log.WithId(Dumped, Category), entry => Assert.Equal(LogLevel.Trace, entry.Level));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Every_byte_is_dumped_once_and_in_order_however_it_is_read_and_written(int seed)
    {
        const int Total = 200_000;
        var log = new RecordedLog(LogLevel.Trace);
        var random = new Random(seed);
        await using var pipeline = Build(log, options => options.MaxDumpSizeInBytes = 1 << 20, async connection =>
        {
            var (input, output) = (connection.Transport.Input, connection.Transport.Output);
            while (true)
            {
                if (!input.TryRead(out var read))
                {
                    read = random.Next(3) == 0 ? await input.ReadAtLeastAsync(random.Next(1, 10_000)) : await input.ReadAsync();
                }

                var take = read.IsCompleted ? read.Buffer.Length : random.NextInt64(0, read.Buffer.Length + 1);
                foreach (var segment in read.Buffer.Slice(0, take))
                {
                    if (random.Next(2) == 0)
                    {
                        await output.WriteAsync(segment);
                    }
                    else
                    {
                        output.Write(segment.Span);
                    }
                }

                input.AdvanceTo(read.Buffer.GetPosition(take), read.Buffer.End);
                if (read.IsCompleted)
                {
                    // What is left unflushed is the close's to send.
                    return;
                }
            }
        });
        var run = await pipeline.ConnectAsync();
        var sent = new byte[Total];
        random.NextBytes(sent);
        var receiving = ReceiveAsync(run);
        for (var position = 0; position < Total;)
        {
            var size = Math.Min(Total - position, random.Next(1, 20_000));
            await run.Client.Transport.Output.WriteAsync(sent.AsMemory(position, size));
            position += size;
        }

        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
        await run.Server.Transport.Output.CompleteAsync();
        Assert.Equal(sent, await receiving.Bounded());
        Assert.Equal(sent, BytesOf(log, "Received"));
        Assert.Equal(sent, BytesOf(log, "Sent"));
        Assert.Equal($"Connection {run.Server.ConnectionId}: Received the end at offset {Total}", Assert.Single(log.WithId(Ended, Category)).Message);
    }

    [Fact]
    public async Task At_Debug_there_are_sizes_only()
    {
        var log = new RecordedLog(LogLevel.Debug);
        await using var pipeline = Build(log, static _ => { }, Handlers.EchoAsync);
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.WriteAsync("secret"u8.ToArray());
        await run.Client.Transport.Input.ReadAtLeastAsync(6).Bounded();
        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
        Assert.Equal(
            [$"Connection {run.Server.ConnectionId}: Received 6 bytes at offset 0", $"Connection {run.Server.ConnectionId}: Sent 6 bytes at offset 0"],
            log.WithId(Passed, Category).Select(entry => entry.Message));
        Assert.DoesNotContain(log.Entries, entry => entry.Message.Contains("secret", StringComparison.Ordinal) || entry.Id == Dumped);
    }

    [Fact]
    public async Task A_dump_is_bounded_and_the_category_can_be_chosen()
    {
        var log = new RecordedLog(LogLevel.Trace);
        await using var pipeline = Build(
            log,
            options =>
            {
                options.MaxDumpSizeInBytes = 4;
                options.Category = "mine";
            },
            async connection => await connection.Transport.Output.WriteAsync(new byte[1000]));
        await (await pipeline.ConnectAsync()).Ended.Bounded();
        Assert.EndsWith(
            $"00 00 00 00 {new string(' ', 36)} |....|{Environment.NewLine}… 996 more bytes", Assert.Single(log.WithId(Dumped, "mine")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_redaction_hides_is_not_in_the_log_and_goes_through_unchanged()
    {
        var log = new RecordedLog(LogLevel.Trace);
        var seen = new ConcurrentQueue<(ConnectionContext, LoggedDirection, long, int)>();
        await using var pipeline = Build(
            log,
            options => options.Redact = bytes =>
            {
                seen.Enqueue((bytes.Connection, bytes.Direction, bytes.Offset, bytes.Bytes.Length));
                if (bytes.Bytes.IndexOf("PASS "u8) is >= 0 and var start)
                {
                    bytes.Hide(start + 5, bytes.Bytes.Length - start - 5);
                }
            },
            Handlers.EchoAsync);
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.WriteAsync("PASS hunter2"u8.ToArray());
        var read = await run.Client.Transport.Input.ReadAtLeastAsync(12).Bounded();
        Assert.Equal("PASS hunter2", Encoding.ASCII.GetString(read.Buffer));
        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
        Assert.Equal([(run.Server, LoggedDirection.Received, 0, 12), (run.Server, LoggedDirection.Sent, 0, 12)], seen);
        Assert.Equal(2, log.WithId(Dumped, Category).Count);
        Assert.All(log.WithId(Dumped, Category), entry => Assert.EndsWith(
            "50 41 53 53 20 ** ** ** ** ** ** **              |PASS *******|", entry.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_redaction_that_throws_leaves_the_dump_out_and_a_log_that_throws_ends_nothing()
    {
        var log = new RecordedLog(LogLevel.Trace) { Throws = true };
        await using var pipeline = Build(log, options => options.Redact = bytes => bytes.Hide(0, bytes.Bytes.Length + 1), Handlers.EchoAsync);
        var run = await pipeline.ConnectAsync();
        await run.Client.Transport.Output.WriteAsync("secret"u8.ToArray());
        await run.Client.Transport.Input.ReadAtLeastAsync(6).Bounded();
        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
        Assert.Equal(2, log.WithId(Dumped, Category).Count);
        Assert.All(log.WithId(Dumped, Category), entry => Assert.EndsWith(
            "(not shown: the redaction failed with ArgumentOutOfRangeException)", entry.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_handler_that_fails_has_not_flushed_is_not_said_to_be_sent()
    {
        var log = new RecordedLog(LogLevel.Trace);
        await using var pipeline = Build(log, static _ => { }, connection =>
        {
            connection.Transport.Output.Write("half a"u8);
            throw new FormatException();
        });
        await Assert.ThrowsAsync<FormatException>(async () => await (await pipeline.ConnectAsync()).Ended.Bounded());
        Assert.Empty(log.WithId(Dumped, Category));
        Assert.Contains("6 bytes that were written at offset 0 were not flushed", Assert.Single(log.WithId(Unflushed, Category)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flush_that_is_cancelled_beforehand_is_not_said_to_send()
    {
        var log = new RecordedLog(LogLevel.Trace);
        await using var pipeline = Build(log, static _ => { }, async connection =>
        {
            connection.Transport.Output.Write("later"u8);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await connection.Transport.Output.FlushAsync(new CancellationToken(canceled: true)));
            Assert.Empty(log.WithId(Dumped, Category));
            await connection.Transport.Output.FlushAsync();
        });
        await (await pipeline.ConnectAsync()).Ended.Bounded();
        Assert.Equal("later"u8.ToArray(), BytesOf(log, "Sent"));
    }

    [Fact]
    public async Task What_comes_for_a_read_that_the_handler_has_left_behind_is_not_logged()
    {
        // By then the server may have given the memory of its bytes to another connection.
        var log = new RecordedLog(LogLevel.Trace);
        var left = Task.CompletedTask;
        await using var pipeline = Build(log, static _ => { }, connection =>
        {
            left = connection.Transport.Input.ReadAsync().AsTask();
            return Task.CompletedTask;
        });
        var run = await pipeline.ConnectAsync();
        await run.Ended.Bounded();
        await run.Client.Transport.Output.WriteAsync("of another"u8.ToArray());
        await run.Client.Transport.Output.CompleteAsync();
        await left.Bounded();
        Assert.DoesNotContain(log.Entries, entry => entry.Category == Category);
    }

    [Fact]
    public async Task A_file_that_is_sent_is_in_the_log()
    {
        var path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, "from a file");
        try
        {
            var log = new RecordedLog(LogLevel.Trace);
            await using var server = await Servers.PeregrineAsync(
                tcp => tcp.UseConnectionLogging().Run(async connection =>
                {
                    using var file = File.OpenHandle(path);
                    await connection.SendFileAsync(file, 0, 11);
                    await connection.CompleteOutputAsync();
                }),
                log: log);
            await using var client = await server.ConnectAsync();
            using var reader = new StreamReader(client);
            Assert.Equal("from a file", await reader.ReadToEndAsync().Bounded());
            await TestTimeout.UntilAsync(() => log.WithId(Ended, Category).Any(entry => entry.Message.Contains("Sent the end at offset 11", StringComparison.Ordinal)));
            Assert.Contains("|from a file|", Assert.Single(log.WithId(Dumped, Category)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task It_works_inside_Kestrel()
    {
        var log = new RecordedLog(LogLevel.Trace);
        await using var server = await Servers.KestrelAsync(
            listen => listen.UseConnectionLogging().Run(Handlers.EchoAsync), log);
        await using (var client = await server.ConnectAsync())
        {
            await client.WriteAsync("over Kestrel"u8.ToArray());
            await client.ReadExactlyAsync(new byte[12]).AsTask().Bounded();
        }

        await TestTimeout.UntilAsync(() => log.WithId(Ended, Category).Count > 0);
        Assert.Equal("over Kestrel"u8.ToArray(), BytesOf(log, "Received"));
        Assert.Equal("over Kestrel"u8.ToArray(), BytesOf(log, "Sent"));
    }

    [Fact]
    public async Task What_cannot_be_is_said_at_the_start()
    {
        var exception = await Assert.ThrowsAsync<PeregrineStartException>(
            () => Servers.PeregrineAsync(tcp => tcp.UseConnectionLogging(options => options.MaxDumpSizeInBytes = 0).Run(Handlers.EchoAsync)));
        Assert.Contains("MaxDumpSizeInBytes = 0", exception.Message, StringComparison.Ordinal);
        Assert.Contains("LoggerFactory", Assert.Throws<InvalidOperationException>(
            () => new ConnectionBuilder(Pipeline.Services()).UseConnectionLogging()).Message, StringComparison.Ordinal);
    }

    private static Pipeline Build(RecordedLog log, Action<ConnectionLoggingOptions> configure, ConnectionDelegate handler) =>
        Pipeline.Build(Pipeline.Services(log), builder => builder.UseConnectionLogging(configure), handler);

    private static async Task<byte[]> ReceiveAsync(Pipeline.Run run)
    {
        using var received = new MemoryStream();
        await run.Client.Transport.Input.CopyToAsync(received);
        return received.ToArray();
    }

    /// <summary>What the dumps of a direction show, and that their offsets are right.</summary>
    private static byte[] BytesOf(RecordedLog log, string direction)
    {
        var bytes = new List<byte>();
        foreach (var entry in log.WithId(Dumped, Category).Where(entry => entry.Message.Contains(": " + direction, StringComparison.Ordinal)))
        {
            foreach (var line in entry.Message.Split(Environment.NewLine).Skip(1))
            {
                var match = Line().Match(line);
                Assert.Equal(bytes.Count, long.Parse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                bytes.AddRange(Convert.FromHexString(match.Groups[2].Value.Replace(" ", "", StringComparison.Ordinal)));
            }
        }

        return [.. bytes];
    }

    [GeneratedRegex("^([0-9a-f]{8})  ((?:[0-9a-f]{2} )+) *\\|")]
    private static partial Regex Line();
}
