using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Writes the header of a connection before the rest of the pipeline runs. Nothing of it stays on the way of what follows.</summary>
internal static class ProxyProtocolSender
{
    public static async Task SendAsync(
        ConnectionContext connection, Func<ConnectionContext, ProxyProtocolHeader> header, bool holds, ConnectionDelegate next)
    {
        var output = connection.Transport.Output;
        header(connection).Write(output);
        if (!holds)
        {
            await output.FlushAsync(connection.ConnectionClosed).ConfigureAwait(false);
        }

        await next(connection).ConfigureAwait(false);
    }
}
