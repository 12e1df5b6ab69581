using Microsoft.Extensions.Logging;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;
using Peregrine.Sockets;

namespace Peregrine.Server.Hosting;

/// <summary>Makes datagram endpoints: their pipelines, and their sockets, all of an endpoint or none.</summary>
/// <param name="transport">The application's; null for sockets.</param>
/// <param name="live">The settings as they are now.</param>
/// <param name="services">The application's.</param>
/// <param name="clock">The server's.</param>
/// <param name="loggerFactory">For the sockets.</param>
/// <param name="logger">The server's.</param>
/// <param name="onReceivingChanged">See <see cref="DatagramEndpoint"/>.</param>
internal sealed class DatagramEndpointBinder(
    IDatagramTransport? transport, LiveSettings live, IServiceProvider services, TimeProvider clock, ILoggerFactory loggerFactory, ILogger logger,
    Action onReceivingChanged)
{
    /// <exception cref="PeregrineStartException">The url is wrong, or cannot be bound; an option cannot be had; there is no handler.</exception>
    public async Task<DatagramEndpoint> BindAsync(DatagramEndpointSettings settings, CancellationToken cancellationToken)
    {
        var (definition, options, source) = settings;
        var pipeline = DatagramPipeline.Create(definition.Name, definition.Pipeline, services);
        if (!EndpointUrl.TryParseDatagrams(options.Url!, out var addresses, out var problem))
        {
            throw new PeregrineStartException($"{source.UrlSetting} = \"{options.Url}\": {problem}.");
        }

        var from = transport ?? CreateTransport(options);
        var bound = await AddressBinding.BindAsync(source, options.Url!, addresses, address => from.BindAsync(address, cancellationToken), logger).ConfigureAwait(false);
        return new DatagramEndpoint(pipeline, from, [.. bound.Select(static socket => socket.Bound)], source.Path, live, clock, logger, onReceivingChanged);
    }

    private DatagramTransport CreateTransport(DatagramEndpointOptions options) => new(
        new DatagramTransportOptions
        {
            Scheduling = options.Scheduling,
            Listeners = options.Listeners,
            BatchSize = options.BatchSize,
            MaxDatagramSizeInBytes = options.MaxDatagramSizeInBytes,
            Io = options.Io,
            Coalescing = options.Coalescing,
            Segmentation = options.Segmentation,
            MaxQueuedBytes = options.MaxQueuedBytes,
            MaxQueuedDatagrams = options.MaxQueuedDatagrams,
            Socket = options.Socket,
            TimeProvider = clock,
        },
        loggerFactory);
}
