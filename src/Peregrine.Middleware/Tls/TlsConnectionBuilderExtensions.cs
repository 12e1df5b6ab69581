using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Peregrine.Middleware.Tls;

namespace Peregrine.Middleware;

/// <summary>
/// Puts TLS (RFC 8446, RFC 5246) into a pipeline. What follows in the pipeline sees what is inside; of a handshake that fails it sees nothing, and is not
/// called. What the handshake has brought is in the features <c>ITlsConnectionFeature</c> and <c>ITlsHandshakeFeature</c>.
/// </summary>
public static class TlsConnectionBuilderExtensions
{
    private const long DefaultMaxUnreadBytes = 1 << 20;

    /// <summary>Speaks TLS as the side that accepts.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="certificate">The server's certificate, with its private key.</param>
    /// <exception cref="InvalidOperationException">It has no private key.</exception>
    public static TBuilder UseTls<TBuilder>(this TBuilder builder, X509Certificate2 certificate)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return builder.UseTls(new TlsOptions { Certificate = { Value = certificate } });
    }

    /// <summary>Speaks TLS as the side that accepts.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="configure">Sets the options.</param>
    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public static TBuilder UseTls<TBuilder>(this TBuilder builder, Action<TlsOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(configure);
        var options = new TlsOptions();
        configure(options);
        return builder.UseTls(options);
    }

    /// <summary>Speaks TLS as the side that accepts.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">They are read now.</param>
    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public static TBuilder UseTls<TBuilder>(this TBuilder builder, TlsOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var environment = TlsEnvironment.Of(builder, isServer: true);
        var maxUnreadBytes = options.MaxUnreadBytes ?? (builder as IEndpointConnectionBuilder)?.MaxUnreadBytes ?? DefaultMaxUnreadBytes;
        return builder.Use(
            new TlsServerHandshake(options, environment),
            new TlsSessionSettings(maxUnreadBytes, options.AllowEndWithoutCloseNotify, options.HandshakeTimeout), environment);
    }

    /// <summary>
    /// Speaks TLS as the side that connects. A handshake that fails ends the pipeline with its exception, such as
    /// <see cref="System.Security.Authentication.AuthenticationException"/>.
    /// </summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="targetHost">The name of the server: it is sent (SNI), and the server's certificate must be for it.</param>
    public static TBuilder UseTlsClient<TBuilder>(this TBuilder builder, string targetHost)
        where TBuilder : IConnectionBuilder
        => builder.UseTlsClient(new TlsClientOptions { TargetHost = targetHost });

    /// <summary>Speaks TLS as the side that connects.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="configure">Sets the options.</param>
    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public static TBuilder UseTlsClient<TBuilder>(this TBuilder builder, Action<TlsClientOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(configure);
        var options = new TlsClientOptions();
        configure(options);
        return builder.UseTlsClient(options);
    }

    /// <summary>Speaks TLS as the side that connects.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="options">They are read now.</param>
    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public static TBuilder UseTlsClient<TBuilder>(this TBuilder builder, TlsClientOptions options)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var environment = TlsEnvironment.Of(builder, isServer: false);
        return builder.Use(
            new TlsClientHandshake(options, environment),
            new TlsSessionSettings(options.MaxUnreadBytes, options.AllowEndWithoutCloseNotify, options.HandshakeTimeout), environment);
    }

    private static TBuilder Use<TBuilder>(this TBuilder builder, ITlsHandshake handshake, TlsSessionSettings settings, TlsEnvironment environment)
        where TBuilder : IConnectionBuilder
    {
        builder.Use(next => new TlsMiddleware(next, handshake, settings, environment).InvokeAsync);
        return builder;
    }
}
