using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware.Concurrency;

/// <summary>
/// Lets a connection go on when it has a lease of a limiter, which is given back when the rest of its pipeline has ended. One that gets none is
/// refused. A wait for a lease ends when the peer closes the connection or the server asks it to end.
/// </summary>
internal sealed class LeaseMiddleware(
    Func<ConnectionContext, CancellationToken, ValueTask<RateLimitLease>> acquire, RefusalReport refusals, ConnectionCloseReason reason, string explanation)
{
    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        using var lease = await AcquireAsync(connection).ConfigureAwait(false);
        if (lease is null)
        {
            return;
        }

        if (!lease.IsAcquired)
        {
            refusals.Refuse(connection, reason, explanation);
            return;
        }

        await next(connection).ConfigureAwait(false);
    }

    /// <summary>Null if nobody waits for it any more.</summary>
    private async ValueTask<RateLimitLease?> AcquireAsync(ConnectionContext connection)
    {
        // Most have it at once, and then nothing need be watched: looking at ConnectionClosed makes a socket watch its peer.
        using var over = new CancellationTokenSource();
        var acquiring = acquire(connection, over.Token);
        if (acquiring.IsCompletedSuccessfully)
        {
            return acquiring.Result;
        }

        var stopping = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        using var onClosed = connection.ConnectionClosed.UnsafeRegister(Cancel, over);
        using var onStopping = stopping.UnsafeRegister(Cancel, over);
        try
        {
            var lease = await acquiring.ConfigureAwait(false);
            if (!over.IsCancellationRequested)
            {
                return lease;
            }

            // It was its turn in the same moment.
            lease.Dispose();
            return null;
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            return null;
        }

        static void Cancel(object? over) => ((CancellationTokenSource)over!).Cancel();
    }
}
