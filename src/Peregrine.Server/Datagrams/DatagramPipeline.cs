namespace Peregrine.Server.Datagrams;

/// <summary>The pipeline of a datagram endpoint: first as code builds it, then as it runs.</summary>
internal sealed class DatagramPipeline(string endpoint, IServiceProvider services) : IDatagramBuilder
{
    private readonly List<Func<DatagramDelegate, DatagramDelegate>> _middleware = [];
    private readonly List<Action> _beats = [];
    private readonly List<Func<CancellationToken, Task>> _drains = [];
    private DatagramDelegate? _built;

    public IServiceProvider ApplicationServices => services;

    public string EndpointName => endpoint;

    public DatagramCounters Counters { get; } = new();

    /// <summary>What is called once a second.</summary>
    public IReadOnlyList<Action> Beats => _beats;

    /// <summary>What is called at the stop.</summary>
    public IReadOnlyList<Func<CancellationToken, Task>> Drains => _drains;

    /// <exception cref="PeregrineStartException">The pipeline is empty, or what builds it throws.</exception>
    public static DatagramPipeline Create(string endpoint, Action<IDatagramBuilder> configure, IServiceProvider services)
    {
        var pipeline = new DatagramPipeline(endpoint, services);
        try
        {
            configure(pipeline);
            _ = pipeline.Build();
        }
        catch (Exception exception) when (exception is not PeregrineStartException)
        {
            throw new PeregrineStartException($"The pipeline of the endpoint \"{endpoint}\" cannot be built: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }

        return pipeline._middleware.Count > 0
            ? pipeline
            : throw new PeregrineStartException($"The endpoint \"{endpoint}\" has no handler; add udp.Run(…) or udp.UseDatagramHandler<T>() to its pipeline.");
    }

    public IDatagramBuilder Use(Func<DatagramDelegate, DatagramDelegate> middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        ThrowIfBuilt();
        _middleware.Add(middleware);
        return this;
    }

    public IDatagramBuilder OnHeartbeat(Action beat)
    {
        ArgumentNullException.ThrowIfNull(beat);
        ThrowIfBuilt();
        _beats.Add(beat);
        return this;
    }

    public IDatagramBuilder OnStopping(Func<CancellationToken, Task> drain)
    {
        ArgumentNullException.ThrowIfNull(drain);
        ThrowIfBuilt();
        _drains.Add(drain);
        return this;
    }

    public DatagramDelegate Build()
    {
        if (_built is null)
        {
            // Reached if the last that was added is a middleware: it has nothing to call.
            DatagramDelegate next = (_, _) => throw new InvalidOperationException(
                $"The pipeline of the endpoint \"{endpoint}\" has no handler at its end: add Run(…) or UseDatagramHandler<T>() after its middleware.");
            for (var i = _middleware.Count - 1; i >= 0; i--)
            {
                next = _middleware[i](next);
            }

            _built = next;
        }

        return _built;
    }

    private void ThrowIfBuilt()
    {
        if (_built is not null)
        {
            throw new InvalidOperationException($"The pipeline of the endpoint \"{endpoint}\" is built: nothing can be added to it any more.");
        }
    }
}
