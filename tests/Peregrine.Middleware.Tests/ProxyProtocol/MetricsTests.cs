using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

public sealed class MetricsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_that_is_refused_is_counted_for_its_endpoint_where_there_is_one(bool isOfEndpoint)
    {
        await using var services = Pipeline.Services();
        var meters = services.GetRequiredService<IMeterFactory>();
        var counted = new ConcurrentQueue<KeyValuePair<string, object?>>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters && instrument.Name == "peregrine.server.proxy_protocol.rejected")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
            {
                counted.Enqueue(tag);
            }
        });
        listener.Start();
        await using var pipeline = Pipeline.Build(
            services,
            builder => (isOfEndpoint ? new Endpoint(builder) : builder).UseProxyProtocol(options => options.TrustUnixSockets = true),
            _ => Task.CompletedTask);
        await (await pipeline.ConnectAsync()).Ended.Bounded();
        Assert.Equal("untrusted_sender", Assert.Single(counted, tag => tag.Key == "error.type").Value);
        Assert.Equal(isOfEndpoint ? "mine" : null, counted.SingleOrDefault(tag => tag.Key == "peregrine.endpoint").Value);
    }

    private sealed class Endpoint(IConnectionBuilder builder) : IEndpointConnectionBuilder
    {
        public string EndpointName => "mine";

        public long MaxUnreadBytes => 1;

        public IServiceProvider ApplicationServices => builder.ApplicationServices;

        public IConnectionBuilder Use(Func<ConnectionDelegate, ConnectionDelegate> middleware) => builder.Use(middleware);

        public ConnectionDelegate Build() => builder.Build();
    }
}
