using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>What the connections of one pipeline share: whom it trusts, what it accepts, and how it tells of those that it refuses.</summary>
internal sealed class ProxyProtocolReceiver
{
    private readonly NetworkSet _trusted;
    private readonly bool _trustsUnixSockets;
    private readonly bool _trustsAll;
    private readonly GuardedLogger _logger;
    private readonly Counter<long>? _rejected;
    private readonly string? _endpoint;
    private readonly ReportInterval _warnings;

    /// <param name="options">The options.</param>
    /// <param name="services">Those of the pipeline.</param>
    /// <param name="endpoint">The endpoint's name, if it has one.</param>
    /// <exception cref="ArgumentException">Nobody is trusted, or an option is out of its range.</exception>
    public ProxyProtocolReceiver(ProxyProtocolOptions options, IServiceProvider? services, string? endpoint)
    {
        _endpoint = endpoint;
        options.Validate();
        _trusted = new NetworkSet(options.TrustedNetworks);
        _trustsUnixSockets = options.TrustUnixSockets;
        _trustsAll = options.DangerousTrustAnySender;
        Timeout = options.HeaderTimeout;
        Rules = new HeaderRules(options.Versions, options.MaxHeaderSizeInBytes);
        Clock = PipelineServices.ClockOf(services);
        _logger = PipelineServices.LoggerOf(services, ProxyProtocolLog.Category);
        _warnings = new ReportInterval(Clock);
        _rejected = PipelineServices.MeterOf(services)?.CreateCounter<long>(
            "peregrine.server.proxy_protocol.rejected", "{connection}", "Connections that were refused for their PROXY protocol header, by the reason.");
    }

    public TimeProvider Clock { get; }

    public TimeSpan Timeout { get; }

    public HeaderRules Rules { get; }

    public bool IsTrusted(ConnectionContext connection)
    {
        if (_trustsAll)
        {
            return true;
        }

        return PeerAddress.Of(connection.RemoteEndPoint) is { } address ? _trusted.Contains(address)
            : _trustsUnixSockets && (connection.RemoteEndPoint ?? connection.LocalEndPoint) is UnixDomainSocketEndPoint;
    }

    /// <summary>Resets a connection, and tells of it: each is counted and a Debug entry; once a minute at most, one is a warning with the number of those before.</summary>
    public void Refuse(ConnectionContext connection, HeaderFault fault)
    {
        var explanation = HeaderFaults.Explain(fault);
        Count(fault);
        ProxyProtocolLog.Refused(_logger, connection.ConnectionId, connection.RemoteEndPoint, explanation);
        if (_warnings.IsDue(out var count))
        {
            ProxyProtocolLog.RefusedSinceLastReport(_logger, connection.RemoteEndPoint, explanation, count - 1);
        }

        // The first reason wins: without one, it would be that this side aborted it.
        if (ReasonOf(fault) is { } reason)
        {
            connection.Features.Get<IConnectionCloseFeature>()?.TrySetReason(reason);
        }

        connection.Abort(new ConnectionAbortedException($"The connection's PROXY protocol header is refused: {explanation}."));
    }

    /// <summary>A client that came and went, such as a look at whether the port is open.</summary>
    public void Ended(ConnectionContext connection, Exception? exception) =>
        ProxyProtocolLog.EndedWithoutHeader(_logger, connection.ConnectionId, connection.RemoteEndPoint, exception?.Message ?? "end of stream");

    public void Accepted(ConnectionContext connection, ParsedHeader header) => ProxyProtocolLog.Accepted(
        _logger, connection.ConnectionId, header.Version, header.Command, header.Source, header.Destination, connection.RemoteEndPoint);

    private void Count(HeaderFault fault)
    {
        if (_rejected is not { Enabled: true })
        {
            return;
        }

        var tags = new TagList { { "error.type", HeaderFaults.NameOf(fault) } };
        if (_endpoint is not null)
        {
            tags.Add("peregrine.endpoint", _endpoint);
        }

        try
        {
            _rejected.Add(1, tags);
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }

    private static ConnectionCloseReason? ReasonOf(HeaderFault fault) => fault switch
    {
        HeaderFault.UntrustedSender => ConnectionCloseReason.RejectedAddress,
        HeaderFault.Timeout => ConnectionCloseReason.HandshakeTimeout,
        _ => null,
    };
}
