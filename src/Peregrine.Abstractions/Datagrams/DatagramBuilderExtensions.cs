namespace Peregrine;

/// <summary>Handlers and middleware for the pipeline of a datagram endpoint, as delegates.</summary>
public static class DatagramBuilderExtensions
{
    /// <summary>Ends the pipeline with a handler.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="handler">Gets every batch; from each receive loop of the endpoint, at the same time.</param>
    public static IDatagramBuilder Run(this IDatagramBuilder builder, DatagramDelegate handler)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(handler);
        return builder.Use(_ => handler);
    }

    /// <summary>Adds a middleware.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="middleware">
    /// Gets every batch, and what comes behind it in the pipeline. If it takes datagrams out, it counts them (<see cref="IDatagramBuilder.Counters"/>), and calls what is behind it
    /// only with what is left, if there is any.
    /// </param>
    public static IDatagramBuilder Use(this IDatagramBuilder builder, Func<DatagramBatch, DatagramSender, DatagramDelegate, ValueTask> middleware)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(middleware);
        return builder.Use(next => (batch, sender) => middleware(batch, sender, next));
    }
}
