using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Peregrine;

/// <summary>Ends the pipeline of a datagram endpoint with a handler class.</summary>
public static class DatagramHandlerExtensions
{
    /// <summary>
    /// Ends the pipeline with one instance of <typeparamref name="THandler"/> for all peers: as it is registered in the application's services, or else made with what its constructor
    /// asks for. One that is made here and is disposable is disposed at the stop of the endpoint, when its batches have ended.
    /// </summary>
    /// <param name="builder">The pipeline.</param>
    /// <exception cref="InvalidOperationException">A service that its constructor asks for is missing.</exception>
    public static IDatagramBuilder UseDatagramHandler<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(this IDatagramBuilder builder)
        where THandler : DatagramHandler
    {
        ArgumentNullException.ThrowIfNull(builder);
        var handler = builder.ApplicationServices.GetService<THandler>();
        if (handler is null)
        {
            handler = ActivatorUtilities.CreateInstance<THandler>(builder.ApplicationServices);
            builder.OnStopping(_ => HandlerInstance.DisposeAsync(handler).AsTask());
        }

        return builder.Run(handler.OnDatagramsAsync);
    }
}
