using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Hosting;

/// <summary>Builds the pipeline of an endpoint, and sees to it that there is a handler at its end.</summary>
internal sealed class EndpointPipeline(IServiceProvider services) : IConnectionBuilder
{
    private readonly ConnectionBuilder _inner = new(services);
    private bool _isEmpty = true;

    public IServiceProvider ApplicationServices => services;

    /// <exception cref="PeregrineStartException">The pipeline is empty, or what builds it throws.</exception>
    public static ConnectionDelegate Build(EndpointDefinition definition, IServiceProvider services)
    {
        var pipeline = new EndpointPipeline(services);
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

    public IConnectionBuilder Use(Func<ConnectionDelegate, ConnectionDelegate> middleware)
    {
        _isEmpty = false;
        _inner.Use(middleware);
        return this;
    }

    public ConnectionDelegate Build() => _inner.Build();
}
