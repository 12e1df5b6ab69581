using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>
/// Reads the header of a connection, then leaves: what is behind the header stays in the reader for the next, which reads without a detour. Whoever waits
/// for a header takes no turn of <see cref="IConnectionHandshakeFeature"/>: to wait costs nothing that those turns divide, and silent peers would hold
/// them for the handshakes of others.
/// </summary>
internal sealed class ProxyProtocolMiddleware(ProxyProtocolReceiver receiver, ConnectionDelegate next)
{
    public Task OnConnectionAsync(ConnectionContext connection)
    {
        if (!receiver.IsTrusted(connection))
        {
            receiver.Refuse(connection, HeaderFault.UntrustedSender);
            return Task.CompletedTask;
        }

        // A proxy sends its header at once, and mostly it is there: then there is no timer.
        var started = receiver.Clock.GetTimestamp();
        ReadResult read;
        try
        {
            if (!connection.Transport.Input.TryRead(out read))
            {
                return WaitAsync(connection, started);
            }
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            receiver.Ended(connection, exception);
            return Task.CompletedTask;
        }

        return Look(connection, read) switch
        {
            Step.GoOn => next(connection),
            Step.End => Task.CompletedTask,
            _ => WaitAsync(connection, started),
        };
    }

    private async Task WaitAsync(ConnectionContext connection, long started)
    {
        if (await ReadHeaderAsync(connection, started).ConfigureAwait(false))
        {
            await next(connection).ConfigureAwait(false);
        }
    }

    /// <summary>Apart from the handler's task, so that what it needs does not live as long as the connection.</summary>
    private async Task<bool> ReadHeaderAsync(ConnectionContext connection, long started)
    {
        var left = receiver.Timeout - receiver.Clock.GetElapsedTime(started);
        using var time = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, receiver.Clock);
        try
        {
            Step step;
            do
            {
                step = Look(connection, await connection.Transport.Input.ReadAsync(time.Token).ConfigureAwait(false));
            }
            while (step == Step.Wait);

            return step == Step.GoOn;
        }
        catch (OperationCanceledException exception) when (time.IsCancellationRequested && exception is not ConnectionAbortedException)
        {
            receiver.Refuse(connection, HeaderFault.Timeout);
            return false;
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            receiver.Ended(connection, exception);
            return false;
        }
    }

    private Step Look(ConnectionContext connection, in ReadResult read)
    {
        var input = connection.Transport.Input;
        var buffer = read.Buffer;
        var result = HeaderParser.Parse(buffer, receiver.Rules);
        switch (result.Status)
        {
            case HeaderStatus.Complete:
                // What is behind it counts as not examined, so that the next read has it at once.
                input.AdvanceTo(buffer.GetPosition(result.Length));
                Apply(connection, result.Header!);
                return Step.GoOn;
            case HeaderStatus.Incomplete when !read.IsCompleted:
                input.AdvanceTo(buffer.Start, buffer.End);
                return Step.Wait;
            case HeaderStatus.Incomplete when buffer.IsEmpty:
                input.AdvanceTo(buffer.End);
                receiver.Ended(connection, null);
                return Step.End;
            default:
                input.AdvanceTo(buffer.End);
                receiver.Refuse(connection, result.Status == HeaderStatus.Invalid ? result.Fault : HeaderFault.EndedEarly);
                return Step.End;
        }
    }

    private void Apply(ConnectionContext connection, ParsedHeader header)
    {
        receiver.Accepted(connection, header);
        connection.Features.Set<IProxyProtocolFeature>(new ProxyProtocolFeature(header, connection.RemoteEndPoint, connection.LocalEndPoint));
        if (header.Source is null)
        {
            return;
        }

        connection.RemoteEndPoint = header.Source;
        connection.LocalEndPoint = header.Destination;
        if (connection.Features.Get<IConnectionEndPointFeature>() is { } feature && !ReferenceEquals(feature, connection))
        {
            feature.RemoteEndPoint = header.Source;
            feature.LocalEndPoint = header.Destination;
        }
    }

    /// <summary>The connection is over, by the peer or by the server: nothing is wrong here.</summary>
    private static bool IsEnd(Exception exception) => exception is IOException or ConnectionAbortedException;

    private enum Step
    {
        Wait,
        GoOn,
        End,
    }
}
