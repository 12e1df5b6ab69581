using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Endpoints;
using Peregrine.Sockets;

namespace Peregrine.Server.Hosting;

/// <summary>Opens the listeners of endpoints: all of an endpoint, or none.</summary>
/// <param name="passed">The sockets that the process was started with.</param>
/// <param name="logger">The server's.</param>
internal sealed class EndpointBinder(PassedSockets passed, ILogger logger)
{
    private readonly Dictionary<ulong, string> _descriptors = [];

    /// <exception cref="PeregrineStartException">The url is wrong, or cannot be listened on; an option cannot be had.</exception>
    public async Task<IReadOnlyList<BoundListener>> BindAsync(
        EndpointSettings settings, IConnectionListenerFactory transport, CancellationToken cancellationToken)
    {
        var url = settings.Options.Url!;
        if (!EndpointUrl.TryParse(url, passed, out var addresses, out var problem))
        {
            throw new PeregrineStartException($"{settings.Source.UrlSetting} = \"{url}\": {problem}.");
        }

        TakeDescriptors(settings, addresses);
        var bound = await AddressBinding.BindAsync(settings.Source, url, addresses, address => transport.BindAsync(address, cancellationToken), logger).ConfigureAwait(false);
        return [.. bound.Select(static listener => new BoundListener(listener.Asked, listener.Bound))];
    }

    /// <summary>
    /// Says which sockets were passed for nothing, since clients that connect to them would wait for ever; and keeps all of them, as sd_listen_fds(3)
    /// does, from programs that are started.
    /// </summary>
    public void ReportUnused()
    {
        foreach (var (name, descriptor) in passed.All)
        {
            FileDescriptors.SetCloseOnExec(descriptor);
            if (!_descriptors.ContainsKey((ulong)descriptor))
            {
                ServerLog.PassedSocketUnused(logger, name, descriptor);
            }
        }
    }

    /// <summary>Two endpoints of one descriptor would share its clients by chance.</summary>
    private void TakeDescriptors(EndpointSettings settings, IEnumerable<EndPoint> addresses)
    {
        foreach (var inherited in addresses.OfType<FileHandleEndPoint>())
        {
            if (!_descriptors.TryAdd(inherited.FileHandle, settings.Definition.Name))
            {
                throw new PeregrineStartException(
                    $"{settings.Source.UrlSetting} = \"{settings.Options.Url}\": the descriptor {inherited.FileHandle} is the endpoint \"{_descriptors[inherited.FileHandle]}\" already; give each endpoint a socket of its own.");
            }
        }
    }
}
