using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Limits;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests.Timeouts;

/// <summary>A server over the in-memory transport, by a clock that only the test moves, with the settings of one endpoint, "test".</summary>
internal sealed class SupervisedServer : IAsyncDisposable
{
    public const int Ended = 10;
    public const int Refused = 30;
    public const int Warned = 31;

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly TestServer _server;

    private readonly List<ConnectionContext> _served;

    private SupervisedServer(TestServer server, FakeTimeProvider clock, List<ConnectionContext> served)
    {
        _server = server;
        _served = served;
        Clock = clock;
    }

    public FakeTimeProvider Clock { get; }

    public TestServer Inner => _server;

    public RecordedLog Log => _server.Log;

    /// <param name="handler">The handler.</param>
    /// <param name="settings">Settings, from "Peregrine:" on; those of the endpoint are ":Timeouts:Idle" and the like.</param>
    public static async Task<SupervisedServer> StartAsync(ConnectionDelegate handler, params (string Key, string Value)[] settings)
    {
        var clock = new FakeTimeProvider();
        var configuration = settings.ToDictionary(setting => PathOf(setting.Key), setting => (string?)setting.Value);
        configuration[PathOf(":Url")] = "tcp://127.0.0.1:0";
        var served = new List<ConnectionContext>();
        var server = new TestServer(
            builder => builder.Endpoint("test", tcp => tcp.Run(connection =>
            {
                try
                {
                    return handler(connection);
                }
                finally
                {
                    // Behind its call: the clock of a test goes on when the handler waits.
                    lock (served)
                    {
                        served.Add(connection);
                    }
                }
            })).Configure(options => options.ShutdownTimeout = TimeSpan.FromSeconds(2)),
            configuration, clock);
        await server.StartAsync();
        return new SupervisedServer(server, clock, served);
    }

    /// <summary>Connects, and returns when the handler has come to its first wait.</summary>
    public async Task<ConnectionContext> ConnectAsync() => (await ConnectPairAsync()).Client;

    /// <summary>The same, with the side of the handler.</summary>
    public async Task<(ConnectionContext Client, ConnectionContext Handled)> ConnectPairAsync()
    {
        var before = _served.Count;
        var client = await _server.ConnectAsync();
        await UntilAsync(() =>
        {
            lock (_served)
            {
                return _served.Count > before;
            }
        });
        return (client, _served[before]);
    }

    /// <summary>The handler has been given so many bytes, and waits for more.</summary>
    public static Task WaitsForMoreThanAsync(long bytes, ConnectionContext handled) => UntilAsync(() =>
        handled.Features.Get<IConnectionByteCountFeature>()!.BytesReceived == bytes && handled.Features.Get<IConnectionBufferFeature>()!.IsReadPending);

    /// <summary>More than so many bytes were sent, and the next wait for the peer.</summary>
    public static Task WaitsForPeerAfterAsync(long bytes, ConnectionContext handled) => UntilAsync(() =>
        handled.Features.Get<IConnectionByteCountFeature>()!.BytesSent > bytes && handled.Features.Get<IConnectionBufferFeature>()!.IsSendPending);

    public void Set(string key, string value)
    {
        var configuration = (IConfigurationRoot)_server.Host.Services.GetService(typeof(IConfiguration))!;
        configuration[PathOf(key)] = value;
        configuration.Reload();
    }

    /// <summary>Lets time pass, beat by beat.</summary>
    public void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            Clock.Advance(Beat);
        }
    }

    /// <summary>As many seconds pass, and it is still there; one more, or the next, and it is ended for that reason.</summary>
    public async Task EndsAfterAsync(int seconds, ConnectionCloseReason reason, int count = 1)
    {
        var before = Log.WithId(Refused).Count;
        Pass(seconds - 1);
        Assert.Equal(before, Log.WithId(Refused).Count);
        Pass(2);
        Assert.Equal(before + count, Log.WithId(Refused).Count);
        await UntilAsync(() => Log.WithId(Ended).Count(entry => entry.Message.Contains($"({reason})", StringComparison.Ordinal)) >= count);
        Assert.DoesNotContain(Log.Entries, entry => entry.Id.Id == 8);
    }

    public void IsNotEnded() => Assert.Empty(Log.WithId(Refused));

    public static async Task UntilAsync(Func<bool> condition)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TestServer.Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // A stop waits by the clock.
        var stop = _server.StopAsync();
        while (!stop.IsCompleted)
        {
            Clock.Advance(Beat);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await stop;
        await _server.DisposeAsync();
    }

    /// <summary>For a part of a server that is tried by itself.</summary>
    public static EndpointSupervision WithoutHeartbeat(string endpoint, ServerMetrics metrics) => new(
        endpoint,
        new DefaultOptions(),
        new ServerSupervision(
            new SupervisedClock(TimeProvider.System), new HandshakeSlots(() => 1), new EndReport(metrics, TimeProvider.System, NullLogger.Instance),
            new ReadPauses(TimeProvider.System)));

    private static string PathOf(string key) => key.StartsWith(':') ? "Peregrine:Endpoints:test" + key : "Peregrine:" + key;

    private sealed class DefaultOptions : IOptionsMonitor<EndpointOptions>
    {
        public EndpointOptions CurrentValue { get; } = new();

        public EndpointOptions Get(string? name) => CurrentValue;

        public IDisposable? OnChange(Action<EndpointOptions, string?> listener) => null;
    }
}
