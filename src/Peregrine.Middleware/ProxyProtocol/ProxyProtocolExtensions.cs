using System.Net;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.ProxyProtocol;

namespace Peregrine.Middleware;

/// <summary>The PROXY protocol, versions 1 and 2, for any pipeline of connections (HAProxy's proxy-protocol.txt).</summary>
public static class ProxyProtocolExtensions
{
    /// <summary>
    /// Receives a header from the proxies of these networks: see <see cref="UseProxyProtocol{TBuilder}(TBuilder, Action{ProxyProtocolOptions})"/>.
    /// </summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="trustedNetworks">At least one: see <see cref="ProxyProtocolOptions.TrustedNetworks"/>.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static TBuilder UseProxyProtocol<TBuilder>(this TBuilder builder, params IEnumerable<IPNetwork> trustedNetworks)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(trustedNetworks);
        return builder.UseProxyProtocol(options =>
        {
            foreach (var network in trustedNetworks)
            {
                options.TrustedNetworks.Add(network);
            }
        });
    }

    /// <summary>
    /// Requires a header at the beginning of each connection, before TLS and before any handler: the client's endpoints become those of the connection,
    /// the rest is <see cref="IProxyProtocolFeature"/>. A connection without one is reset, never taken as it is (§2, §5).
    /// </summary>
    /// <param name="builder">The pipeline: of a Peregrine endpoint, or Kestrel's <c>ListenOptions</c>.</param>
    /// <param name="configure">Sets the options: <see cref="ProxyProtocolOptions.TrustedNetworks"/> at least.</param>
    /// <exception cref="ArgumentException">Nobody is trusted, or an option is out of its range.</exception>
    public static TBuilder UseProxyProtocol<TBuilder>(this TBuilder builder, Action<ProxyProtocolOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(configure);
        var options = new ProxyProtocolOptions();
        configure(options);
        return builder.UseProxyProtocol(options);
    }

    /// <inheritdoc cref="UseProxyProtocol{TBuilder}(TBuilder, Action{ProxyProtocolOptions})"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">The options.</param>
    public static TBuilder UseProxyProtocol<TBuilder>(this TBuilder builder, ProxyProtocolOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var receiver = new ProxyProtocolReceiver(options, builder.ApplicationServices, (builder as IEndpointConnectionBuilder)?.EndpointName);
        builder.Use(next => new ProxyProtocolMiddleware(receiver, next).OnConnectionAsync);
        return builder;
    }

    /// <summary>
    /// Sends a header before anything else on each connection, for the pipeline of a client: that of version 2 with the addresses of the connection
    /// itself, as the specification wants it where nobody is relayed (§2.1).
    /// </summary>
    /// <param name="builder">The pipeline.</param>
    public static TBuilder UseProxyProtocolSender<TBuilder>(this TBuilder builder)
        where TBuilder : IConnectionBuilder
        => builder.UseProxyProtocolSender(new ProxyProtocolSenderOptions());

    /// <summary>Sends a header before anything else on each connection, for the pipeline of a client.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="header">Makes the header of a connection, as <see cref="ProxyProtocolHeader.ForClientOf"/> does for a connection that is relayed.</param>
    public static TBuilder UseProxyProtocolSender<TBuilder>(this TBuilder builder, Func<ConnectionContext, ProxyProtocolHeader> header)
        where TBuilder : IConnectionBuilder
        => builder.UseProxyProtocolSender(new ProxyProtocolSenderOptions { Header = header });

    /// <inheritdoc cref="UseProxyProtocolSender{TBuilder}(TBuilder, Func{ConnectionContext, ProxyProtocolHeader})"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">The options.</param>
    public static TBuilder UseProxyProtocolSender<TBuilder>(this TBuilder builder, ProxyProtocolSenderOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(options.Header);
        var (header, holds) = (options.Header, options.HoldUntilFirstFlush);
        builder.Use(next => connection => ProxyProtocolSender.SendAsync(connection, header, holds, next));
        return builder;
    }
}
