using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Health;

namespace Peregrine.Server.Hosting;

/// <summary>Reads <c>Peregrine:Health</c>, and makes what it asks for.</summary>
internal static class HealthSettings
{
    public const string Section = nameof(PeregrineOptions.Health);

    private const string Setting = $"{ServerSettings.Root}:{Section}:{nameof(HealthOptions.Url)}";
    private const string Accepted = "tcp://host:port (an IP address, * or localhost)";

    /// <exception cref="PeregrineStartException">A setting is unknown or has a value that it cannot have.</exception>
    public static void Read(IConfigurationSection? section, HealthOptions options)
    {
        if (section is not null)
        {
            section.CheckKeys(Section, nameof(options.Url));
            options.Url = section.Read(nameof(options.Url), options.Url, Accepted);
        }

        if (!string.IsNullOrEmpty(options.Url))
        {
            AddressesOf(options.Url);
        }
    }

    /// <summary>Takes the port of the probe; null if there is none.</summary>
    /// <exception cref="PeregrineStartException">The port cannot be had.</exception>
    public static async Task<HealthProbe?> BindAsync(HealthOptions options, ServerHealth health, TimeProvider clock, ILogger logger)
    {
        if (string.IsNullOrEmpty(options.Url))
        {
            return null;
        }

        var addresses = AddressesOf(options.Url);
        try
        {
            return await HealthProbe.BindAsync(options.Url, addresses, health, clock, logger).ConfigureAwait(false);
        }
        catch (SocketException exception)
        {
            Exception failure = exception.SocketErrorCode == SocketError.AddressAlreadyInUse ? new AddressInUseException(exception.Message, exception) : exception;
            throw new PeregrineStartException($"{Setting} = \"{options.Url}\": {BindFailure.Explain(failure, addresses[0])}", exception);
        }
    }

    private static List<IPEndPoint> AddressesOf(string url)
    {
        IReadOnlyList<EndPoint>? addresses = null;
        var problem = $"it is not the url of a port; use {Accepted}";
        return url.StartsWith("tcp://", StringComparison.OrdinalIgnoreCase) && EndpointUrl.TryParse(url, PassedSockets.Current, out addresses, out problem)
            ? [.. addresses.Cast<IPEndPoint>()]
            : throw new PeregrineStartException($"{Setting} = \"{url}\": {problem}.");
    }
}
