using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Peregrine.Middleware.Tls;

namespace Peregrine.Middleware;

/// <summary>Puts TLS (RFC 8446, RFC 5246) into a pipeline.</summary>
public static class TlsConnectionBuilderExtensions
{
    /// <summary>Speaks TLS as the side that accepts. What follows in the pipeline sees what is inside.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="certificate">The server's certificate, with its private key.</param>
    public static TBuilder UseTls<TBuilder>(this TBuilder builder, X509Certificate2 certificate)
        where TBuilder : IConnectionBuilder
        => builder.UseTls(new TlsOptions { Certificate = certificate });

    /// <inheritdoc cref="UseTls{TBuilder}(TBuilder, X509Certificate2)"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">They are read now; what is changed later has no effect.</param>
    public static TBuilder UseTls<TBuilder>(this TBuilder builder, TlsOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        return builder.Use(new TlsServerHandshake(options), new TlsSessionSettings(options.MaxUnreadBytes, options.AllowEndWithoutCloseNotify));
    }

    /// <summary>Speaks TLS as the side that connects. What follows in the pipeline sees what is inside.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">They are read now; what is changed later has no effect.</param>
    public static TBuilder UseTlsClient<TBuilder>(this TBuilder builder, TlsClientOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        return builder.Use(new TlsClientHandshake(options), new TlsSessionSettings(options.MaxUnreadBytes, options.AllowEndWithoutCloseNotify));
    }

    private static TBuilder Use<TBuilder>(this TBuilder builder, ITlsHandshake handshake, TlsSessionSettings settings)
        where TBuilder : IConnectionBuilder
    {
        builder.Use(next => new TlsMiddleware(next, handshake, settings).InvokeAsync);
        return builder;
    }
}
