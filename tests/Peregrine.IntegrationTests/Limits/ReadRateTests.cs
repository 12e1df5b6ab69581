using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Peregrine.Features;
using Peregrine.IntegrationTests.Ends;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Limits;

/// <summary>Reading at a bounded rate, over real sockets.</summary>
[Collection(MeasuredAlone.Name)]
public sealed class ReadRateTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_connection_is_read_at_its_rate_loses_nothing_and_still_sends_files()
    {
        const int Rate = 2_000_000;
        const int Size = 4 * Rate;
        var content = new byte[Size];
        new Random(1).NextBytes(content);
        var path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, content);
        var hashed = new TaskCompletionSource<(byte[] Hash, TimeSpan Took, bool IsFileSent)>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await using var server = await RealServer.StartAsync(
                async connection =>
                {
                    var started = Stopwatch.GetTimestamp();
                    var read = await connection.Transport.Input.ReadAtLeastAsync(Size);
                    var hash = SHA256.HashData(read.Buffer.ToArray());
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                    var took = Stopwatch.GetElapsedTime(started);
                    using var file = File.OpenHandle(path);
                    await connection.SendFileAsync(file, 0, Size);
                    hashed.SetResult((hash, took, connection.Features.Get<IConnectionSendFileFeature>() is not null));
                },
                endpoint: endpoint =>
                {
                    endpoint.Limits.ReadBytesPerSecond = Rate;
                    endpoint.MaxUnreadBytes = 2 * Size;
                });
            using var client = await server.ConnectAsync();
            var sending = Task.Run(async () =>
            {
                for (var sent = 0; sent < Size;)
                {
                    sent += await client.SendAsync(content.AsMemory(sent), SocketFlags.None);
                }
            });
            var answer = new byte[Size + 1];
            var received = 0;
            while (await client.ReceiveAsync(answer.AsMemory(received), SocketFlags.None) is > 0 and var count)
            {
                received += count;
            }

            await sending;
            var (hash, took, isFileSent) = await hashed.Task.WaitAsync(RealServer.Limit);
            var isWhole = received == Size && answer.AsSpan(0, Size).SequenceEqual(content);
            var seconds = took.TotalSeconds;
            output.WriteLine(
                $"{Size:N0} bytes at {Rate:N0} a second, with a burst of as many: read in {seconds:0.00} s, which is {(Size - Rate) / seconds:N0} a second; the file that was sent back is {(isWhole ? "whole" : "damaged")}");
            Assert.Equal(SHA256.HashData(content), hash);
            Assert.True(isWhole && isFileSent);

            // A receive may bring 256 KiB more than is paid for, and a pause is late by up to a tenth of a second; a busy machine is later.
            Assert.InRange(seconds, 2.8, 8);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
