using System.Net;
using System.Net.Sockets;
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
            throw new PeregrineStartException($"{settings.UrlSetting} = \"{url}\": {problem}.");
        }

        TakeDescriptors(settings, addresses);
        var listeners = new List<BoundListener>();
        var address = addresses[0];
        try
        {
            foreach (var next in addresses)
            {
                address = next;
                try
                {
                    listeners.Add(new(address, await transport.BindAsync(address, cancellationToken).ConfigureAwait(false)));
                }
                catch (SocketException exception) when (
                    exception.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported
                    && (listeners.Count > 0 || address != addresses[^1]))
                {
                    // One of the families of localhost, switched off on this machine: the other is enough.
                }
            }

            return listeners;
        }
        catch (Exception exception)
        {
            foreach (var (_, listener) in listeners)
            {
                await CloseAsync(listener, settings.Definition.Name).ConfigureAwait(false);
            }

            throw Explain(exception, settings, address) ?? exception;
        }
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
                    $"{settings.UrlSetting} = \"{settings.Options.Url}\": the descriptor {inherited.FileHandle} is the endpoint \"{_descriptors[inherited.FileHandle]}\" already; give each endpoint a socket of its own.");
            }
        }
    }

    private static PeregrineStartException? Explain(Exception exception, EndpointSettings settings, EndPoint address) => exception switch
    {
        SocketOptionException refused =>
            new PeregrineStartException($"{settings.SettingOf(refused.Option)} = \"{refused.Value}\": {refused.Problem}.", exception),
        SocketException or IOException or InvalidOperationException or NotSupportedException or UnauthorizedAccessException => new PeregrineStartException(
            $"{settings.UrlSetting} = \"{settings.Options.Url}\" (endpoint \"{settings.Definition.Name}\"): {BindFailure.Explain(exception, address)}", exception),
        _ => null,
    };

    private async Task CloseAsync(IConnectionListener listener, string endpoint)
    {
        try
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.ListenerCloseFailed(logger, endpoint, exception);
        }
    }
}
