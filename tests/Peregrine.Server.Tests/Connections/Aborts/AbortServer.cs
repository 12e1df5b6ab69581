using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Server.Endpoints;
using Peregrine.Sockets;
using Peregrine.Testing;

namespace Peregrine.Server.Tests.Connections.Aborts;

/// <summary>The whole server over TCP, with a pool that finds leaks; its handler does what the round says.</summary>
internal sealed class AbortServer : IAsyncDisposable
{
    /// <summary>More than the kernel keeps for a client that does not read.</summary>
    public const int MoreThanAPeerTakes = 300_000;

    private static readonly byte[] s_answer = new byte[MoreThanAPeerTakes];

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly IHost _host;

    private AbortServer(TimeSpan shutdownTimeout, TimeSpan clientCloseGrace)
    {
        var options = new SocketTransportOptions { MemoryPool = _pool, Socket = { SendBufferSizeInBytes = 8192 } };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(Log);
        builder.Services.AddPeregrine(server => server
            .UseTransport(new SocketTransportFactory(options, NullLoggerFactory.Instance))
            .Listen($"tcp://{TestServer.OwnAddress}:0", tcp => tcp.Use(HandshakeAsync).Run(HandleAsync))
            .Configure(peregrine =>
            {
                peregrine.ThrowOnStartFailure = true;
                peregrine.ShutdownTimeout = shutdownTimeout;
                peregrine.ClientCloseGrace = clientCloseGrace;
            }));
        _host = builder.Build();
        Meter = new RecordedMeter(_host.Services);
    }

    public RecordedLog Log { get; } = new();

    public RecordedMeter Meter { get; }

    /// <summary>By the client's port.</summary>
    public ConcurrentDictionary<int, AbortRound> Rounds { get; } = new();

    public ServerEndpoint Endpoint => _host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];

    public static async Task<AbortServer> StartAsync(TimeSpan shutdownTimeout, TimeSpan clientCloseGrace)
    {
        var server = new AbortServer(shutdownTimeout, clientCloseGrace);
        await server._host.StartAsync().InTimeAsync();
        return server;
    }

    public Task StopAsync() => _host.StopAsync().InTimeAsync();

    public Task WhenAllBlocksReturnedAsync() => _pool.WhenAllReturnedAsync(TestServer.Limit);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Meter.Dispose();
        _host.Dispose();
        _pool.Dispose();
    }

    private async Task HandshakeAsync(ConnectionContext connection, Func<Task> next)
    {
        var round = RoundOf(connection);
        if (round.WatchesClosed)
        {
            connection.ConnectionClosed.UnsafeRegister(
                _ =>
                {
                    Interlocked.Increment(ref round.TimesClosed);
                    round.Closed.TrySetResult();
                },
                null);
        }

        round.Started.SetResult(connection);
        for (var i = 0; i < AbortRound.Handshakes && round.Phase == AbortPhase.Handshake; i++)
        {
            await connection.Transport.Output.WriteAsync(new byte[1]);
            if (!await ReadAsync(connection, round, atLeast: 1, isWaiting: i == round.SilentHandshake))
            {
                return;
            }
        }

        await next();
    }

    private async Task HandleAsync(ConnectionContext connection)
    {
        var round = RoundOf(connection);
        switch (round.Phase)
        {
            case AbortPhase.Read:
                await ReadAsync(connection, round, atLeast: int.MaxValue, isWaiting: true);
                break;
            case AbortPhase.Flush:
                await FlushAsync(connection, round);
                break;
            case AbortPhase.ReadAndFlush:
                await Task.WhenAll(ReadAsync(connection, round, atLeast: int.MaxValue, isWaiting: false), FlushAsync(connection, round));
                break;
            case AbortPhase.Lingering:
                Write(connection, round.ServerBytes);
                if (!round.ReadsToEnd)
                {
                    round.Reached.SetResult();
                }

                break;
            default:
                break; // The abort came before an exchange that the client does not leave out: there is none.
        }
    }

    /// <summary>False at the peer's FIN. What has come stays unconsumed until it is enough.</summary>
    /// <param name="isWaiting">Whether the round has reached its phase when a read is pending.</param>
    private static async Task<bool> ReadAsync(ConnectionContext connection, AbortRound round, int atLeast, bool isWaiting)
    {
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var reading = input.ReadAsync(round.HeedsStop ? connection.CloseRequested() : default);
                if (isWaiting)
                {
                    round.Reached.TrySetResult();
                }

                var read = await reading;
                if (read.Buffer.Length >= atLeast)
                {
                    input.AdvanceTo(read.Buffer.GetPosition(atLeast));
                    return true;
                }

                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                if (read.IsCompleted)
                {
                    return false;
                }
            }
        }
        catch (Exception exception)
        {
            round.ReadFailure = exception;
            throw;
        }
    }

    private static async Task FlushAsync(ConnectionContext connection, AbortRound round)
    {
        var output = connection.Transport.Output;
        ValueTask<System.IO.Pipelines.FlushResult> flushing;
        if (round.WritesLent)
        {
            flushing = output.WriteAsync(s_answer);
        }
        else
        {
            Write(connection, s_answer.Length);
            flushing = output.FlushAsync();
        }

        round.Reached.TrySetResult();
        round.FlushCompleted = (await flushing).IsCompleted;
    }

    private static void Write(ConnectionContext connection, int count) => connection.Transport.Output.Write(s_answer.AsSpan(0, count));

    private AbortRound RoundOf(ConnectionContext connection) => Rounds[((IPEndPoint)connection.RemoteEndPoint!).Port];
}
