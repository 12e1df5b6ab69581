using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Middleware.Sessions;

namespace Peregrine.Middleware;

/// <summary>Sessions on datagram endpoints.</summary>
public static class DatagramSessionExtensions
{
    private const DynamicallyAccessedMemberTypes Constructors = DynamicallyAccessedMemberTypes.PublicConstructors;

    /// <inheritdoc cref="UseSessions(IDatagramBuilder, Action{DatagramSessionOptions}, Func{DatagramSession, Task})"/>
    public static IDatagramBuilder UseSessions(this IDatagramBuilder builder, Func<DatagramSession, Task> handler) => builder.UseSessions(static _ => { }, handler);

    /// <summary>
    /// Ends the pipeline with sessions: the datagrams of each peer, by its address or by an identifier, go to a handler of their own. A datagram is copied into the queue of its
    /// session, and handlers run on the thread pool: the receive loop waits for none, and a slow session delays no other. All of it is bounded
    /// (<see cref="DatagramSessionOptions"/>), and what is dropped is counted (<see cref="IDatagramBuilder.Counters"/>).
    /// </summary>
    /// <param name="builder">The pipeline. Nothing comes behind it.</param>
    /// <param name="configure">Changes the options.</param>
    /// <param name="handler">Called once for each session, which ends when its task completes: see <see cref="DatagramSessionHandler.OnSessionAsync"/>.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">An option is out of its range.</exception>
    public static IDatagramBuilder UseSessions(this IDatagramBuilder builder, Action<DatagramSessionOptions> configure, Func<DatagramSession, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        ArgumentNullException.ThrowIfNull(handler);
        var options = new DatagramSessionOptions();
        configure(options);
        var sessions = new SessionMiddleware(builder, options, handler);
        return builder.Use(_ => sessions.OnDatagramsAsync).OnHeartbeat(sessions.Beat).OnStopping(sessions.StopAsync);
    }

    /// <inheritdoc cref="UseSessions{THandler}(IDatagramBuilder, Action{DatagramSessionOptions})"/>
    public static IDatagramBuilder UseSessions<[DynamicallyAccessedMembers(Constructors)] THandler>(this IDatagramBuilder builder)
        where THandler : DatagramSessionHandler
        => builder.UseSessions<THandler>(static _ => { });

    /// <summary>
    /// As with a delegate; the handler is an instance for each session, in a scope of services that ends with it: the one that is registered there, or a new one, whose
    /// constructor gets services, and which is disposed when the session has ended.
    /// </summary>
    /// <typeparam name="THandler">The handler's type.</typeparam>
    /// <param name="builder">The pipeline. Nothing comes behind it.</param>
    /// <param name="configure">Changes the options.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">An option is out of its range.</exception>
    public static IDatagramBuilder UseSessions<[DynamicallyAccessedMembers(Constructors)] THandler>(
        this IDatagramBuilder builder, Action<DatagramSessionOptions> configure)
        where THandler : DatagramSessionHandler
    {
        ArgumentNullException.ThrowIfNull(builder);
        var instances = new HandlerInstances<THandler>(builder.ApplicationServices);
        return builder.UseSessions(configure, session => instances.RunAsync(handler => handler.OnSessionAsync(session)));
    }
}
