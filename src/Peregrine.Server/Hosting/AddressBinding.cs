using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets;

namespace Peregrine.Server.Hosting;

/// <summary>Binds the addresses of an endpoint: all of them, or none.</summary>
internal static class AddressBinding
{
    /// <returns>What is bound, with the address that it was asked for.</returns>
    /// <exception cref="PeregrineStartException">An address cannot be bound; an option cannot be had.</exception>
    public static async Task<IReadOnlyList<(EndPoint Asked, T Bound)>> BindAsync<T>(
        EndpointSource source, string url, IReadOnlyList<EndPoint> addresses, Func<EndPoint, ValueTask<T>> bind, ILogger logger)
        where T : IAsyncDisposable
    {
        var bound = new List<(EndPoint, T Bound)>();
        var address = addresses[0];
        try
        {
            foreach (var next in addresses)
            {
                address = next;
                try
                {
                    bound.Add((address, await bind(address).ConfigureAwait(false)));
                }
                catch (SocketException exception) when (
                    exception.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported
                    && (bound.Count > 0 || address != addresses[^1]))
                {
                    // One of the families of localhost, switched off on this machine: the other is enough.
                }
            }

            return bound;
        }
        catch (Exception exception)
        {
            foreach (var (_, listener) in bound)
            {
                await CloseAsync(listener, source.Name, logger).ConfigureAwait(false);
            }

            throw Explain(exception, source, url, address) ?? exception;
        }
    }

    private static PeregrineStartException? Explain(Exception exception, EndpointSource source, string url, EndPoint address) => exception switch
    {
        SocketOptionException refused => new PeregrineStartException($"{source.SettingOf(refused.Option)} = \"{refused.Value}\": {refused.Problem}.", exception),
        SocketException or IOException or InvalidOperationException or NotSupportedException or UnauthorizedAccessException => new PeregrineStartException(
            $"{source.UrlSetting} = \"{url}\" (endpoint \"{source.Name}\"): {BindFailure.Explain(exception, address)}", exception),
        _ => null,
    };

    private static async Task CloseAsync(IAsyncDisposable listener, string endpoint, ILogger logger)
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
