using System.Runtime.ExceptionServices;
using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Tls;

/// <summary>One side of a handshake.</summary>
internal interface ITlsHandshake
{
    /// <summary>Whoever runs the pipeline must learn of a failure. A server has told and measured it, and has nobody who could do more.</summary>
    bool ThrowsFailure { get; }

    /// <summary>A client says hello.</summary>
    bool PeerSpeaksFirst { get; }

    Task AuthenticateAsync(TlsStream tls, CancellationToken cancellationToken);
}

/// <summary>Speaks TLS, and runs the rest of the pipeline on what is inside.</summary>
internal sealed class TlsMiddleware(ConnectionDelegate next, ITlsHandshake handshake, TlsSessionSettings settings, TlsEnvironment environment)
{
    // RFC 8446 §6: an alert, fatal, unrecognized_name. In the clear: nothing is agreed on.
    private static ReadOnlySpan<byte> UnrecognizedName => [21, 3, 3, 0, 2, 2, 112];

    public async Task InvokeAsync(ConnectionContext connection)
    {
        var session = new TlsSession(connection, settings);
        await using (session.ConfigureAwait(false))
        {
            if (await TryHandshakeAsync(connection, session).ConfigureAwait(false))
            {
                await RunAsync(connection, session).ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> TryHandshakeAsync(ConnectionContext connection, TlsSession session)
    {
        var started = environment.Clock.GetTimestamp();

        // Where the server has bounds of its own, the time of a handshake is one of them.
        using var timeout = connection.Features.Get<IConnectionHandshakeFeature>() is null
            ? new CancellationTokenSource(settings.HandshakeTimeout, environment.Clock)
            : null;
        Exception? failure = null;
        try
        {
            var cancellationToken = timeout?.Token ?? default;
            using (await BeginAsync(connection, cancellationToken).ConfigureAwait(false))
            {
                await handshake.AuthenticateAsync(session.Tls, cancellationToken).ConfigureAwait(false);
                session.Open();
            }
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        var errorType = failure is null ? null : EndFailed(connection, session, failure, timeout?.IsCancellationRequested == true);
        if (environment.Metrics.IsEnabled)
        {
            environment.Metrics.HandshakeEnded(
                connection.LocalEndPoint, environment.Clock.GetElapsedTime(started), failure is null ? session.Tls.SslProtocol : SslProtocols.None, errorType);
        }

        if (failure is null && environment.Logger.IsEnabled(LogLevel.Debug))
        {
            var tls = session.Tls;
            TlsLog.HandshakeDone(
                environment.Logger, connection.ConnectionId, tls.SslProtocol.ToString(), tls.NegotiatedCipherSuite.ToString(), tls.TargetHostName,
                tls.NegotiatedApplicationProtocol.ToString());
        }

        if (failure is not null && handshake.ThrowsFailure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        return failure is null;
    }

    private ValueTask<HandshakeScope> BeginAsync(ConnectionContext connection, CancellationToken cancellationToken) => handshake.PeerSpeaksFirst
        ? connection.BeginHandshakeWhenPeerSpeaksAsync(cancellationToken)
        : connection.BeginHandshakeAsync(cancellationToken);

    /// <summary>
    /// No byte of it has come to the handler, and none will. An alert that TLS has written is sent by the transport's close, which also waits for the peer to
    /// take it.
    /// </summary>
    /// <returns>The type of the error.</returns>
    private string EndFailed(ConnectionContext connection, TlsSession session, Exception failure, bool isTimeout)
    {
        var close = connection.Features.Get<IConnectionCloseFeature>();
        if (failure is UnknownHostException)
        {
            session.Stream.Write(UnrecognizedName);
        }

        if (isTimeout)
        {
            close?.TrySetReason(ConnectionCloseReason.HandshakeTimeout);
            connection.Abort(new ConnectionAbortedException($"The TLS handshake was not done in {settings.HandshakeTimeout}."));
        }

        close?.TrySetReason(ConnectionCloseReason.HandshakeFailed);
        var (errorType, reason) = Explain(session, failure, isTimeout || close?.Reason == ConnectionCloseReason.HandshakeTimeout);
        TlsLog.HandshakeFailed(environment.Logger, connection.ConnectionId, connection.RemoteEndPoint, errorType, reason, failure);
        if (errorType == Unforeseen && environment.Unforeseen.IsDue(out var count))
        {
            TlsLog.Unforeseen(environment.Logger, count - 1, failure);
        }

        return errorType;
    }

    private const string Unforeseen = "unforeseen";

    private static (string ErrorType, string Reason) Explain(TlsSession session, Exception failure, bool isTimeout) =>
        isTimeout ? ("timeout", "it was not done in time")
        : session.Tls.Refusal is { } refusal ? ("certificate_refused", refusal)
        : failure is UnknownHostException ? ("unknown_host", failure.Message)
        : session.Stream.ReadFailure is ConnectionResetException ? ("connection_reset", "the peer has reset the connection")
        : session.Stream.ReadFailure is not null || failure is OperationCanceledException ? ("aborted", "the connection was ended")
        : failure is AuthenticationException ? ("handshake", MessageOf(failure))
        : session.Stream.HasEnded ? ("connection_closed", "the peer has closed the connection")
        : failure is IOException ? ("handshake", MessageOf(failure))

        // So SslStream tells of a first record that is no ClientHello, where hosts are looked for, and of a second ClientHello for another host.
        // Its look at a ClientHello that has nothing in it ends outside of an array.
        : failure is NotSupportedException or ArgumentException or IndexOutOfRangeException
            or (InvalidOperationException and not ObjectDisposedException) ? ("handshake", MessageOf(failure))
        : (Unforeseen, MessageOf(failure));

    /// <summary>The inner one says more.</summary>
    private static string MessageOf(Exception failure) => (failure.InnerException ?? failure).Message;

    private async Task RunAsync(ConnectionContext connection, TlsSession session)
    {
        var failed = true;
        try
        {
            await next(connection).ConfigureAwait(false);
            failed = false;
        }
        catch (Exception exception) when (exception == session.End)
        {
            // The peer's end, which the handler passes on.
            TlsLog.Ended(environment.Logger, connection.ConnectionId, exception.Message);
        }
        finally
        {
            await session.FinishAsync(failed).ConfigureAwait(false);
        }
    }
}
