using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Server;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

/// <summary>Everything of the application that the server calls throws, now and then.</summary>
public sealed class ThrowingPartsTests(ITestOutputHelper output)
{
    private const int Connections = 20_000;
    private const int Clients = 64;
    private const double Share = 0.01;
    private const int Reloads = 500;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Log_middleware_options_and_handler_throw_for_one_connection_in_a_hundred_and_exactly_the_others_are_served()
    {
        var log = new ThrowingLog();
        var faults = new Faults(1);
        var options = new Faults(2);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log);
        builder.Configuration.AddInMemoryCollection();
        builder.Services.AddPeregrine(server => server
            .Listen(
                "test",
                "tcp://127.0.0.1:0",
                _ =>
                {
                    if (options.IsNext())
                    {
                        throw new InvalidOperationException("Options.");
                    }
                },
                tcp => tcp.Use(next => connection => Faults.IsMiddlewareOf(connection) ? throw new InvalidOperationException("Middleware.") : next(connection))
                    .Run(connection => EchoAsync(connection, faults)))
            .Configure(peregrine =>
            {
                peregrine.ThrowOnStartFailure = true;
                peregrine.Limits.ExemptNetworks.Add(System.Net.IPNetwork.Parse("127.0.0.0/8"));
            }));
        using var host = builder.Build();
        await host.StartAsync();
        log.IsOn = options.IsOn = true;
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        var reloading = ReloadAsync((IConfigurationRoot)host.Services.GetRequiredService<IConfiguration>());

        var next = 0;
        var served = new ConcurrentBag<int>();
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            for (var id = Interlocked.Increment(ref next) - 1; id < Connections; id = Interlocked.Increment(ref next) - 1)
            {
                if (await IsServedAsync((IPEndPoint)endpoint.Addresses[0], id, faults))
                {
                    served.Add(id);
                }
            }
        }))).WaitAsync(Limit);
        var (reloads, refused) = await reloading;

        var expected = Enumerable.Range(0, Connections).Where(id => !faults.IsHandlerOf(id) && !faults.IsMiddleware(id)).ToList();
        output.WriteLine(
            $"{Connections} connections: {served.Count} served, {Connections - expected.Count} whose middleware or handler threw were not; "
            + $"the log threw {log.Thrown} times in {log.Calls}, the options {refused} times in {reloads} changes");
        Assert.Equal(expected, served.Order());
        Assert.InRange(log.Thrown, 1, log.Calls);
        Assert.InRange(refused, 1, reloads);

        log.IsOn = false;
        Assert.True(await IsServedAsync((IPEndPoint)endpoint.Addresses[0], expected[0], faults));
        await host.StopAsync();

        async Task<(int, int)> ReloadAsync(IConfigurationRoot configuration)
        {
            for (var i = 0; i < Reloads; i++)
            {
                configuration["Peregrine:Limits:MaxConnections"] = $"{1_000 + i}";
                configuration.Reload();
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            }

            return (Reloads, options.Count);
        }
    }

    private static async Task EchoAsync(ConnectionContext connection, Faults faults)
    {
        var read = await connection.Transport.Input.ReadAtLeastAsync(sizeof(int));
        var bytes = new byte[sizeof(int)];
        System.Buffers.BuffersExtensions.CopyTo(read.Buffer.Slice(0, sizeof(int)), bytes);
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        if (faults.IsHandlerOf(BitConverter.ToInt32(bytes)))
        {
            throw new InvalidOperationException("Handler.");
        }

        await connection.Transport.Output.WriteAsync(bytes);
    }

    private static async Task<bool> IsServedAsync(IPEndPoint endPoint, int id, Faults faults)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        // Its address tells the middleware, which reads nothing, whose turn it is.
        client.Bind(new IPEndPoint(new IPAddress([127, 0, (byte)(faults.IsMiddleware(id) ? 1 : 0), (byte)(1 + (id % 64))]), 0));
        try
        {
            await client.ConnectAsync(endPoint);
            await client.SendAsync(BitConverter.GetBytes(id));
            var answer = new byte[sizeof(int)];
            var received = await client.ReceiveAsync(answer);
            Assert.True(received is 0 or sizeof(int));
            return received == sizeof(int) && BitConverter.ToInt32(answer) == id;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [SuppressMessage("Security", "CA5394", Justification = "Seeded, to be repeated.")]
    private sealed class Faults(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly int[] _ofConnections = Choose(new Random(seed + 100));
        private int _count;

        public bool IsOn { get; set; }

        /// <summary>How often it was so.</summary>
        public int Count => _count;

        public bool IsNext()
        {
            if (!IsOn || _random.NextDouble() >= Share)
            {
                return false;
            }

            _count++;
            return true;
        }

        public bool IsHandlerOf(int id) => _ofConnections[id] == 1;

        public bool IsMiddleware(int id) => _ofConnections[id] == 2;

        public static bool IsMiddlewareOf(ConnectionContext connection) => ((IPEndPoint)connection.RemoteEndPoint!).Address.GetAddressBytes()[2] == 1;

        private static int[] Choose(Random random) =>
            [.. Enumerable.Range(0, Connections).Select(_ => random.NextDouble() is var value && value < Share ? 1 : value < 2 * Share ? 2 : 0)];
    }

    /// <summary>Debug is on, so that every connection is logged.</summary>
    private sealed class ThrowingLog : ILoggerProvider, ILogger
    {
        private readonly Random _random = new(3);
        private readonly Lock _lock = new();

        public bool IsOn { get; set; }

        public int Calls { get; private set; }

        public int Thrown { get; private set; }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lock)
            {
                Calls++;
                if (!IsOn || _random.NextDouble() >= Share)
                {
                    return;
                }

                Thrown++;
            }

            throw new InvalidOperationException("Log.");
        }

        public void Dispose()
        {
        }
    }
}
