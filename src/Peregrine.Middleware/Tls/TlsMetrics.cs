using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Peregrine.Middleware.Tls;

/// <summary>How long handshakes take, and how they fail.</summary>
internal sealed class TlsMetrics
{
    // Those of http.server.request.duration in OpenTelemetry's conventions: a handshake is an exchange or two.
    private static readonly InstrumentAdvice<double> s_buckets = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    };

    private readonly Histogram<double>? _duration;
    private readonly string? _endpoint;

    /// <param name="meter">Null where nobody measures.</param>
    /// <param name="endpoint">Its name, if it has one.</param>
    public TlsMetrics(Meter? meter, string? endpoint)
    {
        _endpoint = endpoint;
        _duration = meter?.CreateHistogram<double>(
            "peregrine.server.tls.handshake.duration", "s", "How long TLS handshakes took, with the wait for their turn; those too that have failed, by the type of the error.",
            tags: null, s_buckets);
    }

    public bool IsEnabled => _duration?.Enabled == true;

    /// <param name="local">The connection's address, which tells what carries it.</param>
    /// <param name="duration">From its begin, with the wait for its turn.</param>
    /// <param name="protocol">The version that was agreed on.</param>
    /// <param name="errorType">How it has failed; null if it has not.</param>
    public void HandshakeEnded(EndPoint? local, TimeSpan duration, SslProtocols protocol, string? errorType)
    {
        var tags = default(TagList);
        if (_endpoint is not null)
        {
            tags.Add("peregrine.endpoint", _endpoint);
        }

        tags.Add("network.transport", local is UnixDomainSocketEndPoint ? "unix" : "tcp");
        if (NameOf(protocol) is { } version)
        {
            tags.Add("tls.protocol.version", version);
        }

        if (errorType is not null)
        {
            tags.Add("error.type", errorType);
        }

        try
        {
            _duration?.Record(duration.TotalSeconds, tags);
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }

    private static string? NameOf(SslProtocols protocol) => protocol switch
    {
        SslProtocols.Tls12 => "1.2",
        SslProtocols.Tls13 => "1.3",
        SslProtocols.None => null,
        _ => protocol.ToString(),
    };
}
