using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Hosting;

/// <summary>Describes the server: its endpoints, their handlers and its options. Nothing is checked before the host starts.</summary>
public sealed class PeregrineBuilder
{
    internal PeregrineBuilder(IServiceCollection services) => Services = services;

    /// <summary>The application's services, for extensions of the builder.</summary>
    public IServiceCollection Services { get; }

    internal List<EndpointDefinition> Endpoints { get; } = [];

    internal List<DatagramEndpointDefinition> DatagramEndpoints { get; } = [];

    internal Action<PeregrineOptions>? ConfigureOptions { get; private set; }

    internal IConnectionListenerFactory? Transport { get; private set; }

    internal IDatagramTransport? DatagramTransport { get; private set; }

    /// <summary>Adds an endpoint, named by its url.</summary>
    /// <param name="url">Where to listen: see <see cref="EndpointOptions.Url"/>.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end, as in <c>tcp.UseConnectionHandler&lt;T&gt;()</c> or <c>tcp.Run(…)</c>.</param>
    public PeregrineBuilder Listen(string url, Action<IConnectionBuilder> configure) => Listen(url, static _ => { }, configure);

    /// <summary>Adds an endpoint, named by its url.</summary>
    /// <param name="url">Where to listen: see <see cref="EndpointOptions.Url"/>.</param>
    /// <param name="options">Sets the other options of the endpoint.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder Listen(string url, Action<EndpointOptions> options, Action<IConnectionBuilder> configure) =>
        Listen(url, url, options, configure);

    /// <summary>Adds an endpoint with a name, by which the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>, can change it.</summary>
    /// <param name="name">The endpoint's name, without regard to case.</param>
    /// <param name="url">Where to listen, unless the configuration says otherwise: see <see cref="EndpointOptions.Url"/>.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder Listen(string name, string url, Action<IConnectionBuilder> configure) => Listen(name, url, static _ => { }, configure);

    /// <summary>Adds an endpoint with a name, by which the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>, can change it.</summary>
    /// <param name="name">The endpoint's name, without regard to case.</param>
    /// <param name="url">Where to listen, unless the configuration says otherwise: see <see cref="EndpointOptions.Url"/>.</param>
    /// <param name="options">Sets the other options of the endpoint. The configuration's values win.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder Listen(string name, string url, Action<EndpointOptions> options, Action<IConnectionBuilder> configure)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(configure);
        Endpoints.Add(new EndpointDefinition(name, url, options, configure));
        return this;
    }

    /// <summary>Adds the handler of an endpoint whose url and options are in the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>.</summary>
    /// <param name="name">The endpoint's name, without regard to case.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder Endpoint(string name, Action<IConnectionBuilder> configure)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(configure);
        Endpoints.Add(new EndpointDefinition(name, null, static _ => { }, configure));
        return this;
    }

    /// <summary>Adds a datagram endpoint, named by its url.</summary>
    /// <param name="url">Where to receive: see <see cref="DatagramEndpointOptions.Url"/>.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end, as in <c>udp.UseDatagramHandler&lt;T&gt;()</c> or <c>udp.Run(…)</c>.</param>
    public PeregrineBuilder ListenUdp(string url, Action<IDatagramBuilder> configure) => ListenUdp(url, static _ => { }, configure);

    /// <summary>Adds a datagram endpoint, named by its url.</summary>
    /// <param name="url">Where to receive: see <see cref="DatagramEndpointOptions.Url"/>.</param>
    /// <param name="options">Sets the other options of the endpoint.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder ListenUdp(string url, Action<DatagramEndpointOptions> options, Action<IDatagramBuilder> configure) =>
        ListenUdp(url, url, options, configure);

    /// <summary>Adds a datagram endpoint with a name, by which the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>, can change it.</summary>
    /// <param name="name">The endpoint's name, without regard to case; endpoints of connections share the names.</param>
    /// <param name="url">Where to receive, unless the configuration says otherwise: see <see cref="DatagramEndpointOptions.Url"/>.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder ListenUdp(string name, string url, Action<IDatagramBuilder> configure) => ListenUdp(name, url, static _ => { }, configure);

    /// <summary>Adds a datagram endpoint with a name, by which the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>, can change it.</summary>
    /// <param name="name">The endpoint's name, without regard to case; endpoints of connections share the names.</param>
    /// <param name="url">Where to receive, unless the configuration says otherwise: see <see cref="DatagramEndpointOptions.Url"/>.</param>
    /// <param name="options">Sets the other options of the endpoint. The configuration's values win.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder ListenUdp(string name, string url, Action<DatagramEndpointOptions> options, Action<IDatagramBuilder> configure)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(configure);
        DatagramEndpoints.Add(new DatagramEndpointDefinition(name, url, options, configure));
        return this;
    }

    /// <summary>Adds the handler of a datagram endpoint whose url and options are in the configuration, section <c>Peregrine:Endpoints:&lt;name&gt;</c>.</summary>
    /// <param name="name">The endpoint's name, without regard to case; endpoints of connections share the names.</param>
    /// <param name="configure">Its pipeline: middleware, and the handler at its end.</param>
    public PeregrineBuilder UdpEndpoint(string name, Action<IDatagramBuilder> configure)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(configure);
        DatagramEndpoints.Add(new DatagramEndpointDefinition(name, null, static _ => { }, configure));
        return this;
    }

    /// <summary>Sets options of the server. The configuration's values win.</summary>
    public PeregrineBuilder Configure(Action<PeregrineOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        ConfigureOptions += configure;
        return this;
    }

    /// <summary>
    /// Listens by <paramref name="transport"/> instead of the socket transport, for every endpoint. Options of listeners and of sockets have no effect then.
    /// </summary>
    public PeregrineBuilder UseTransport(IConnectionListenerFactory transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        Transport = transport;
        return this;
    }

    /// <summary>
    /// Receives by <paramref name="transport"/> instead of the socket transport, for every datagram endpoint. Their options have no effect then, but for the url and the addresses.
    /// </summary>
    public PeregrineBuilder UseDatagramTransport(IDatagramTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        DatagramTransport = transport;
        return this;
    }
}

/// <summary>An endpoint as code describes it. Without a url, the configuration has it.</summary>
internal sealed record EndpointDefinition(string Name, string? Url, Action<EndpointOptions> Options, Action<IConnectionBuilder> Pipeline);

/// <summary>A datagram endpoint as code describes it. Without a url, the configuration has it.</summary>
internal sealed record DatagramEndpointDefinition(string Name, string? Url, Action<DatagramEndpointOptions> Options, Action<IDatagramBuilder> Pipeline);
