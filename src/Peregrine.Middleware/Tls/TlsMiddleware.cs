using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Middleware.Tls;

/// <summary>One side of a handshake.</summary>
internal interface ITlsHandshake
{
    Task AuthenticateAsync(SslStream tls, ConnectionContext connection, CancellationToken cancellationToken);
}

/// <summary>Speaks TLS, and runs the rest of the pipeline on what is inside.</summary>
internal sealed class TlsMiddleware(ConnectionDelegate next, ITlsHandshake handshake, TlsSessionSettings settings)
{
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
        try
        {
            using (await connection.BeginHandshakeAsync().ConfigureAwait(false))
            {
                await handshake.AuthenticateAsync(session.Tls, connection, CancellationToken.None).ConfigureAwait(false);
            }

            return true;
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task RunAsync(ConnectionContext connection, TlsSession session)
    {
        session.Open();
        connection.Transport = session;
        var failed = true;
        try
        {
            await next(connection).ConfigureAwait(false);
            failed = false;
        }
        catch (Exception exception) when (exception == session.End)
        {
            // The peer's end, which the handler passes on.
        }
        finally
        {
            await session.FinishAsync(failed).ConfigureAwait(false);
            connection.Transport = session.Transport;
        }
    }
}
