using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.Security;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class FailureTests
{
    /// <summary>The beginning of a ClientHello: a record of 512 bytes, of which five are there.</summary>
    private static readonly byte[] s_half = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3];

    public static TheoryData<string, byte[]> Garbage => new()
    {
        { "plaintext", Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") },
        { "nothing", [] },
        { "half a hello", s_half },
        { "zeros", new byte[5000] },
        { "a record that is too long", [0x16, 3, 1, 0xFF, 0xFF, 1] },
        { "an alert", [21, 3, 3, 0, 2, 2, 40] },
        { "application data", [23, 3, 3, 0, 3, 1, 2, 3] },
    };

    [Theory, MemberData(nameof(Garbage))]
    public async Task What_is_no_handshake_never_comes_to_the_handler(string kind, byte[] bytes)
    {
        var log = TlsTest.NewLog();
        var measured = new ConcurrentQueue<string?>();
        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = TestCertificates.Localhost, log: log);
        using var meter = new MeterListener();
        meter.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "peregrine.server.tls.handshake.duration" && instrument.Meter.Scope == test.Meters)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meter.SetMeasurementEventCallback<double>((_, _, tags, _) => measured.Enqueue(tags.ToArray().FirstOrDefault(tag => tag.Key == "error.type").Value as string));
        meter.Start();
        var (client, server, running) = await test.ConnectAsync();
        await client.Transport.Output.WriteAsync(bytes);
        await client.Transport.Output.CompleteAsync();
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await client.DisposeAsync();
        Assert.Empty(test.Handled);
        Assert.True(TlsTest.ReasonOf(server) is ConnectionCloseReason.HandshakeFailed or ConnectionCloseReason.PeerClosed, kind);
        Assert.NotNull(Assert.Single(measured));
        Assert.All(log, entry => Assert.Equal(LogLevel.Debug, entry.Level));
        Assert.Contains(log, entry => entry.Text.Contains("handshake has failed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("hello request", new byte[] { 22, 3, 3, 0, 4, 0, 0, 0, 0 })]
    [InlineData("server hello", new byte[] { 22, 3, 3, 0, 6, 2, 0, 0, 2, 3, 3 })]
    [InlineData("finished", new byte[] { 22, 3, 3, 0, 5, 20, 0, 0, 1, 1 })]
    [InlineData("a hello of nothing", new byte[] { 22, 3, 1, 0, 4, 1, 0, 0, 0 })]
    [InlineData("application data", new byte[] { 23, 3, 3, 0, 3, 1, 2, 3 })]
    [InlineData("change of the cipher", new byte[] { 20, 3, 3, 0, 1, 1 })]
    public async Task What_is_no_hello_where_hosts_are_looked_for_is_nothing_unforeseen(string kind, byte[] bytes)
    {
        var log = TlsTest.NewLog();
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Hosts["localhost"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Localhost } };
                options.RefuseUnknownHosts = true;
            },
            log: log);
        var (client, _, running) = await test.ConnectAsync();
        await client.Transport.Output.WriteAsync(bytes);
        await client.Transport.Output.CompleteAsync();
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await client.DisposeAsync();
        Assert.Empty(test.Handled);
        Assert.All(log, entry => Assert.True(entry.Level == LogLevel.Debug, $"{kind}: {string.Join(" | ", log)}"));
    }

    [Fact]
    public async Task A_message_that_its_sender_gives_up_is_no_clean_end()
    {
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate.Value = TestCertificates.Localhost,
            async connection =>
            {
                await connection.Transport.Output.WriteAsync(new byte[10]);
                await connection.Transport.Output.CompleteAsync(new InvalidOperationException("half of it is missing"));
                await TlsTest.EchoAsync(connection);
            });
        var (client, _, _) = await test.ConnectAsync();
        Exception? end = null;
        var pipeline = new ConnectionBuilder(EmptyServices.Instance)
            .UseTlsClient(options =>
            {
                options.TargetHost = "localhost";
                options.TrustedRoots = TestCertificates.Roots;
            })
            .Run(async connection => end = await Record.ExceptionAsync(async () =>
            {
                while (await connection.Transport.Input.ReadAsync() is var read && !read.IsCompleted)
                {
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                }
            })).Build();
        await pipeline(client).WaitAsync(TlsTest.Limit, TimeProvider.System);
        await client.DisposeAsync();
        Assert.IsType<ConnectionResetException>(end);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task An_end_without_a_close_notify_is_no_end_unless_the_option_says_so(bool isAllowed)
    {
        var end = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var log = TlsTest.NewLog();
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.AllowEndWithoutCloseNotify = isAllowed;
            },
            async connection =>
            {
                try
                {
                    await TlsTest.EchoAsync(connection);
                    end.SetResult(null);
                }
                catch (Exception exception)
                {
                    end.SetResult(exception);
                    throw;
                }
            },
            log: log);
        var (client, _, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[10]);
        await tls.ReadExactlyAsync(new byte[10]);
        await client.Transport.Output.CompleteAsync();
        var thrown = await end.Task.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await client.DisposeAsync();
        if (isAllowed)
        {
            Assert.Null(thrown);
            return;
        }

        Assert.Contains("close_notify", Assert.IsType<ConnectionResetException>(thrown).Message, StringComparison.Ordinal);
        Assert.All(log, entry => Assert.Equal(LogLevel.Debug, entry.Level));
    }

    [Fact]
    public async Task A_record_that_was_changed_on_its_way_ends_the_connection()
    {
        var end = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate.Value = TestCertificates.Localhost,
            async connection =>
            {
                try
                {
                    await TlsTest.EchoAsync(connection);
                }
                catch (Exception exception)
                {
                    end.SetResult(exception);
                    throw;
                }
            });
        var (client, server, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await client.Transport.Output.WriteAsync(new byte[] { 23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 });
        Assert.IsType<ConnectionAbortedException>(await end.Task.WaitAsync(TlsTest.Limit, TimeProvider.System));
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        Assert.Equal(ConnectionCloseReason.Aborted, TlsTest.ReasonOf(server));
        await client.DisposeAsync();
    }

    [Fact]
    public async Task A_client_that_is_done_reads_a_close_notify_and_can_be_answered_after_its_own()
    {
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate.Value = TestCertificates.Localhost,
            async connection =>
            {
                while (!(await connection.Transport.Input.ReadAsync() is var read && read.IsCompleted))
                {
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                }

                await connection.Transport.Output.WriteAsync(new byte[100_000]);
            });
        var (client, _, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[10]);
        await tls.ShutdownAsync();
        var answer = new byte[100_000];
        await tls.ReadExactlyAsync(answer).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System);
        Assert.Equal(0, await tls.ReadAsync(answer));
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await client.DisposeAsync();
    }

    [Fact]
    public async Task An_idle_connection_holds_no_block_of_TLS()
    {
        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = TestCertificates.Localhost);
        var (client, server, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[10]);
        await tls.ReadExactlyAsync(new byte[10]);
        var buffers = server.Features.Get<IConnectionBufferFeature>()!;
        while (!buffers.IsReadPending)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        Assert.Equal((0, 0, 0), (buffers.UnreadBytes, buffers.UnreadMemoryInBytes, buffers.UnsentBytes));
        Assert.Equal(10, buffers.ConsumedBytes);
        await tls.ShutdownAsync();
        await client.DisposeAsync();
        await running;
    }

    [Fact]
    public async Task What_is_examined_and_not_consumed_has_a_bound()
    {
        var end = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.MaxUnreadBytes = 1000;
            },
            async connection =>
            {
                try
                {
                    while (true)
                    {
                        var read = await connection.Transport.Input.ReadAsync();
                        connection.Transport.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                    }
                }
                catch (InvalidDataException exception)
                {
                    end.SetResult(exception);
                }
            });
        var (client, server, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[1500]);
        Assert.Contains("MaxUnreadBytes (1000)", (await end.Task.WaitAsync(TlsTest.Limit, TimeProvider.System)).Message, StringComparison.Ordinal);
        Assert.Equal(ConnectionCloseReason.UnreadLimit, TlsTest.ReasonOf(server));
        await client.DisposeAsync();
        await running;
    }
}
