using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.IntegrationTests.Processes;
using Peregrine.Server;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Survival;

public sealed class CapTests(ITestOutputHelper output)
{
    private const int MaxConnections = 1_000;
    private const int MaxPerAddress = 100;
    private const int Attempts = 5_000;
    private const int Addresses = 25;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [LinuxFact]
    public async Task The_caps_hold_and_everything_is_given_back()
    {
        var open = new Counts();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server
            .Listen("capped", "tcp://127.0.0.1:0", tcp => tcp.Run(connection => HoldAsync(connection, open)))
            .Configure(options =>
            {
                options.ThrowOnStartFailure = true;
                options.Limits.MaxConnections = MaxConnections;
                options.Limits.MaxConnectionsPerAddress = MaxPerAddress;
            }));
        using var host = builder.Build();
        await host.StartAsync();
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        using var meter = new Meter(host.Services.GetRequiredService<IMeterFactory>());

        // Half of them from one address, which meets its own cap; with the others, that of the server is met.
        var gone = 0;
        var random = new Random(5);
        var results = await Task.WhenAll(Enumerable.Range(0, Attempts).Select(async i =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1, 3_000)), TimeProvider.System);
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            client.Bind(new IPEndPoint(new IPAddress([127, 0, 0, (byte)(i % 2 == 0 ? 1 : 2 + (i % Addresses))]), 0));
            try
            {
                await client.ConnectAsync(endpoint.Addresses[0]).WaitAsync(Limit);
                await client.SendAsync(new byte[1]).WaitAsync(Limit);
                var received = await client.ReceiveAsync(new byte[1]).WaitAsync(Limit);

                // However slow the machine is, the cap is met.
                for (var wait = 0; received == 1 && wait < 200 && open.Most < MaxConnections; wait++)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(i % 100), TimeProvider.System);
                return received == 1;
            }
            catch (SocketException)
            {
                Interlocked.Increment(ref gone);
                return false;
            }
        }));
        for (var i = 0; i < 1_000 && (endpoint.Connections > 0 || open.Now > 0); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }

        var served = results.Count(isServed => isServed);
        output.WriteLine(
            $"{Attempts} attempts: at most {open.Most} at once ({MaxConnections}), {open.MostOfAnAddress} of an address ({MaxPerAddress}); {served} served, "
            + $"{meter.Rejected} rejected, {meter.Accepted} accepted; afterwards {endpoint.Connections} connections, {meter.Active} active");
        Assert.Equal(MaxConnections, open.Most);
        Assert.Equal(MaxPerAddress, open.MostOfAnAddress);
        Assert.Equal(Attempts, served + gone);
        Assert.Equal(Attempts, meter.Accepted + meter.Rejected);
        Assert.Equal(served, meter.Accepted);
        Assert.Equal((0, 0, 0), (endpoint.Connections, open.Now, meter.Active));
        Assert.All(open.OfAddresses, count => Assert.Equal(0, count));
        await host.StopAsync();
    }

    private static async Task HoldAsync(ConnectionContext connection, Counts open)
    {
        var address = ((IPEndPoint)connection.RemoteEndPoint!).Address;
        open.Add(address);
        try
        {
            while (await connection.Transport.Input.ReadAsync() is { Buffer.IsEmpty: false } read)
            {
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                await connection.Transport.Output.WriteAsync(new byte[1]);
            }
        }
        finally
        {
            open.Remove(address);
        }
    }

    private sealed class Counts
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<IPAddress, int> _ofAddress = [];

        public int Now { get; private set; }

        public int Most { get; private set; }

        public int MostOfAnAddress { get; private set; }

        public IReadOnlyCollection<int> OfAddresses => _ofAddress.Values;

        public void Add(IPAddress address)
        {
            lock (_lock)
            {
                Most = Math.Max(Most, ++Now);
                _ofAddress[address] = _ofAddress.GetValueOrDefault(address) + 1;
                MostOfAnAddress = Math.Max(MostOfAnAddress, _ofAddress[address]);
            }
        }

        public void Remove(IPAddress address)
        {
            lock (_lock)
            {
                Now--;
                _ofAddress[address]--;
            }
        }
    }

    private sealed class Meter : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentDictionary<string, long> _sums = new();

        public Meter(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters && instrument.Name.StartsWith("peregrine.server.connections", StringComparison.Ordinal))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => _sums.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
            _listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => _sums[instrument.Name] = value);
            _listener.Start();
        }

        public long Accepted => _sums.GetValueOrDefault("peregrine.server.connections.accepted");

        public long Rejected => _sums.GetValueOrDefault("peregrine.server.connections.rejected");

        public int Active
        {
            get
            {
                _listener.RecordObservableInstruments();
                return (int)_sums["peregrine.server.connections.active"];
            }
        }

        public void Dispose() => _listener.Dispose();
    }
}
