using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// The span of a connection, from its accept to its end, of the source <c>Peregrine.Server</c>. It is the root of a trace. Attributes and events are only
/// made where the sampler wants them.
/// </summary>
/// <remarks>Events may come from any thread. Times are the server's clock's.</remarks>
internal sealed class ConnectionSpan : IConnectionActivityFeature
{
    public const string SourceName = "Peregrine.Server";

    private static readonly ActivitySource s_source = new(SourceName, typeof(ConnectionSpan).Assembly.GetName().Version?.ToString(3));

    private readonly TimeProvider _clock;
    private int _isCloseTold;

    private ConnectionSpan(Activity activity, TimeProvider clock)
    {
        Activity = activity;
        _clock = clock;
    }

    public Activity Activity { get; }

    /// <summary>Starts the span, and makes it the current one. Null, and nothing is allocated, if nobody listens; null if the sampler does not take it.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="endpoint">Its endpoint.</param>
    /// <param name="transport">What carries its bytes.</param>
    /// <param name="acceptedAt">When it was accepted, by the clock's timestamp.</param>
    /// <param name="clock">The server's.</param>
    public static ConnectionSpan? Start(ConnectionContext connection, string endpoint, string transport, long acceptedAt, TimeProvider clock)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        // What is current belongs to whoever has started the host, and would be the parent.
        Activity.Current = null;
        try
        {
            var start = clock.GetUtcNow() - clock.GetElapsedTime(acceptedAt);
            return s_source.StartActivity($"connection {endpoint}", ActivityKind.Server, parentContext: default, TagsOf(connection, endpoint, transport), links: null, start)
                is { } activity ? Created(activity, start, clock) : null;
        }
        catch (Exception)
        {
            Activity.Current = null; // Listeners and samplers are called here, and what they throw is theirs.
            return null;
        }
    }

    /// <summary>A handshake has begun, or waits for its turn; or it has ended.</summary>
    public void OnHandshake(bool hasBegun) => Add(hasBegun ? "peregrine.handshake.begun" : "peregrine.handshake.ended");

    /// <summary>The handler is asked to end.</summary>
    public void OnCloseRequested()
    {
        if (Interlocked.Exchange(ref _isCloseTold, 1) == 0)
        {
            Add("peregrine.close.requested");
        }
    }

    public void OnHandlerEnded() => Add("peregrine.handler.ended");

    /// <param name="reason">Why the connection has ended.</param>
    /// <param name="counts">What it has moved, if its transport tells.</param>
    /// <param name="failure">What its handler has thrown, if that is no answer to an end.</param>
    public void End(ConnectionCloseReason reason, IConnectionByteCountFeature? counts, Exception? failure)
    {
        if (Activity.IsAllDataRequested)
        {
            Activity.SetTag("peregrine.close.reason", CloseReasonName.Of(reason));
            if (counts is not null)
            {
                Activity.SetTag("peregrine.connection.read.bytes", counts.BytesReceived);
                Activity.SetTag("peregrine.connection.write.bytes", counts.BytesSent);
            }

            if (IsFailure(reason))
            {
                Activity.SetTag("error.type", failure is not null && reason == ConnectionCloseReason.HandlerFailed ? failure.GetType().FullName : CloseReasonName.Of(reason));
                Activity.SetStatus(ActivityStatusCode.Error, failure?.Message);
            }

            if (failure is not null)
            {
                Activity.AddException(failure, timestamp: _clock.GetUtcNow());
            }
        }

        Stop();
    }

    /// <summary>At the latest. Any number of times.</summary>
    public void Stop()
    {
        if (Activity.IsStopped)
        {
            return;
        }

        try
        {
            Activity.SetEndTime(_clock.GetUtcNow().UtcDateTime);
            Activity.Stop();
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }

    private static ConnectionSpan Created(Activity activity, DateTimeOffset start, TimeProvider clock)
    {
        var span = new ConnectionSpan(activity, clock);
        if (activity.IsAllDataRequested)
        {
            activity.AddEvent(new ActivityEvent("peregrine.accepted", start));
        }

        return span;
    }

    /// <summary>Those that a sampler may go by.</summary>
    private static List<KeyValuePair<string, object?>> TagsOf(ConnectionContext connection, string endpoint, string transport)
    {
        var tags = new List<KeyValuePair<string, object?>>
        {
            new("peregrine.endpoint", endpoint), new("peregrine.connection.id", connection.ConnectionId), new("network.transport", transport),
        };
        AddAddress("network.peer", connection.RemoteEndPoint);
        AddAddress("network.local", connection.LocalEndPoint);
        return tags;

        void AddAddress(string prefix, EndPoint? address)
        {
            switch (address)
            {
                case IPEndPoint { Address: var ip, Port: var port }:
                    tags.Add(new($"{prefix}.address", (ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip).ToString()));
                    tags.Add(new($"{prefix}.port", port));
                    break;
                case UnixDomainSocketEndPoint unix when unix.ToString() is { Length: > 0 } path:
                    tags.Add(new($"{prefix}.address", path));
                    break;
            }
        }
    }

    /// <summary>A peer that resets, and an application that aborts, need not have failed.</summary>
    private static bool IsFailure(ConnectionCloseReason reason) => reason is not (
        ConnectionCloseReason.None or ConnectionCloseReason.PeerClosed or ConnectionCloseReason.PeerReset or ConnectionCloseReason.HandlerCompleted
        or ConnectionCloseReason.ServerStopping or ConnectionCloseReason.CloseRequested or ConnectionCloseReason.Aborted);

    private void Add(string name)
    {
        if (Activity.IsAllDataRequested)
        {
            Activity.AddEvent(new ActivityEvent(name, _clock.GetUtcNow()));
        }
    }
}
