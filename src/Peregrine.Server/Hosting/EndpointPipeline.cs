using Microsoft.AspNetCore.Connections;
using Peregrine.Middleware;

namespace Peregrine.Server.Hosting;

/// <summary>Builds the pipeline of an endpoint, and sees to it that there is a handler at its end.</summary>
internal sealed class EndpointPipeline(EndpointSettings settings, IServiceProvider services) : IEndpointConnectionBuilder
{
    private readonly ConnectionBuilder _inner = new(services);
    private bool _isEmpty = true;

    public IServiceProvider ApplicationServices => services;

    public string EndpointName => settings.Definition.Name;

    public long MaxUnreadBytes => settings.Options.MaxUnreadBytes;

    /// <exception cref="PeregrineStartException">The pipeline is empty, or what builds it throws.</exception>
    public static ConnectionDelegate Build(EndpointSettings settings, IServiceProvider services)
    {
        var definition = settings.Definition;
        var pipeline = new EndpointPipeline(settings, services);
        UseTls(pipeline, settings.Options.Tls);
        ConnectionDelegate built;
        try
        {
            definition.Pipeline(pipeline);

            // Reached if the last that was added is a middleware: it has nothing to call.
            pipeline._inner.Use(_ => _ => throw new InvalidOperationException(
                $"The pipeline of the endpoint \"{definition.Name}\" has no handler at its end: add Run(…) or UseConnectionHandler<T>() after its middleware."));
            built = pipeline.Build();
        }
        catch (Exception exception) when (exception is not PeregrineStartException)
        {
            throw new PeregrineStartException(
                $"The pipeline of the endpoint \"{definition.Name}\" cannot be built: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }

        return pipeline._isEmpty
            ? throw new PeregrineStartException($"The endpoint \"{definition.Name}\" has no handler; add tcp.Run(…) or tcp.UseConnectionHandler<T>() to its pipeline.")
            : built;
    }

    /// <summary>In front of all, so that nobody looks at what is not decrypted.</summary>
    private static void UseTls(EndpointPipeline pipeline, TlsOptions? options)
    {
        if (options is null)
        {
            return;
        }

        try
        {
            pipeline.UseTls(options);
        }
        catch (InvalidOperationException exception)
        {
            throw new PeregrineStartException(exception.Message, exception);
        }

        pipeline._isEmpty = true;
    }

    public IConnectionBuilder Use(Func<ConnectionDelegate, ConnectionDelegate> middleware)
    {
        _isEmpty = false;
        _inner.Use(middleware);
        return this;
    }

    public ConnectionDelegate Build() => _inner.Build();
}
