using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Peregrine;

/// <summary>Makes an instance of a handler class for each peer, in a scope of the services that ends with it: the one that is registered there, or a new one, which is disposed with the scope.</summary>
internal sealed class HandlerInstances<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(IServiceProvider services)
    where THandler : class
{
    private readonly IServiceScopeFactory _scopes = services.GetRequiredService<IServiceScopeFactory>();
    private readonly ObjectFactory<THandler> _create = ActivatorUtilities.CreateFactory<THandler>([]);

    /// <summary>Calls <paramref name="run"/> with an instance, which lives until its task completes.</summary>
    public async Task RunAsync(Func<THandler, Task> run)
    {
        var scope = _scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
        {
            if (scope.ServiceProvider.GetService<THandler>() is { } registered)
            {
                await run(registered).ConfigureAwait(false);
                return;
            }

            var handler = _create(scope.ServiceProvider, []);
            try
            {
                await run(handler).ConfigureAwait(false);
            }
            finally
            {
                await HandlerInstance.DisposeAsync(handler).ConfigureAwait(false);
            }
        }
    }
}

/// <summary>An instance that no container disposes.</summary>
internal static class HandlerInstance
{
    public static ValueTask DisposeAsync(object made)
    {
        switch (made)
        {
            case IAsyncDisposable disposable:
                return disposable.DisposeAsync();
            case IDisposable disposable:
                disposable.Dispose();
                return default;
            default:
                return default;
        }
    }
}
