using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Tls;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class RecordTests
{
    /// <summary>What a record of TLS 1.3 has beside its content: a header of 5 bytes, the type, a tag of 16 (RFC 8446 §5.2).</summary>
    private const int Overhead = 22;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(16_384, 1)]
    [InlineData(16_385, 2)]
    [InlineData(300_000, 19)]
    public async Task A_message_is_as_few_records_as_can_be(int size, int records)
    {
        var answer = new byte[size];
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.Protocols = SslProtocols.Tls13;
            },
            async connection =>
            {
                // The first answer may have the tickets of the session in front of it.
                for (var i = 0; i < 2; i++)
                {
                    connection.Transport.Input.AdvanceTo((await connection.Transport.Input.ReadAsync()).Buffer.End);
                    await connection.Transport.Output.WriteAsync(answer);
                }

                connection.Transport.Input.AdvanceTo((await connection.Transport.Input.ReadAsync()).Buffer.End);
            });
        var (client, server, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        var counts = server.Features.Get<IConnectionByteCountFeature>()!;
        await tls.WriteAsync(new byte[1]);
        await tls.ReadExactlyAsync(new byte[size]).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System);
        var before = counts.BytesSent;
        await tls.WriteAsync(new byte[1]);
        await tls.ReadExactlyAsync(new byte[size]).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System);
        Assert.Equal(size + (records * Overhead), counts.BytesSent - before);
        await tls.ShutdownAsync();
        await client.DisposeAsync();
        await running;
    }

    [Fact]
    public void The_part_of_a_record_that_has_come_is_known_however_it_comes()
    {
        byte[] stream = [23, 3, 3, 0, 2, 1, 2, 23, 3, 3, 0, 0, 22, 3, 3, 1, 0, .. new byte[256], 21, 3, 3];
        int[] ends = [7, 12, 273];
        for (var size = 1; size <= stream.Length; size++)
        {
            var progress = default(RecordProgress);
            for (var at = 0; at < stream.Length; at += size)
            {
                var upTo = Math.Min(at + size, stream.Length);
                progress.Take(stream.AsSpan(at, upTo - at));
                Assert.Equal(upTo - ends.LastOrDefault(end => end <= upTo), progress.PartialBytes);
            }
        }
    }
}
