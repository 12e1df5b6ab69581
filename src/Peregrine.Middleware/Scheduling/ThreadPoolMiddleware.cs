using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;
using Peregrine.Middleware.Pipes;

namespace Peregrine.Middleware.Scheduling;

/// <summary>Runs the rest of a pipeline on the thread pool.</summary>
internal static class ThreadPoolMiddleware
{
    public static async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var (transport, features) = (connection.Transport, connection.Features);
        var input = new PooledReader(transport.Input);
        var output = new WatchedPipeWriter(transport.Output, onWaited: null, resumesOnThreadPool: true);
        var (sendFile, halfClose, scheduling) = (
            features.Get<IConnectionSendFileFeature>(), features.Get<IConnectionHalfCloseFeature>(), features.Get<IConnectionSchedulingFeature>());
        await ThreadPoolHop.LeaveAsync().ConfigureAwait(false);
        try
        {
            await connection.RunWithTransportAsync(input, output, connection =>
            {
                // No byte would pass this by unseen: they are offered on, and go on on the pool.
                features.Set<IConnectionSendFileFeature>(sendFile is null ? null : new PooledSendFile(sendFile));
                features.Set<IConnectionHalfCloseFeature>(halfClose is null ? null : new PooledHalfClose(halfClose));
                features.Set<IConnectionSchedulingFeature>(PoolScheduling.Instance);
                return next(connection);
            }).ConfigureAwait(false);
        }
        finally
        {
            features.Set(sendFile);
            features.Set(halfClose);
            features.Set(scheduling);
        }
    }

    private sealed class PooledReader(PipeReader inner) : DelegatingPipeReader(inner, resumesOnThreadPool: true);

    private sealed class PooledSendFile(IConnectionSendFileFeature inner) : IConnectionSendFileFeature
    {
        public ValueTask<FlushResult> SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken = default)
        {
            var sending = inner.SendFileAsync(file, offset, count, cancellationToken);
            return sending.IsCompleted ? sending : ThreadPoolHop.AfterAsync(sending);
        }
    }

    private sealed class PooledHalfClose(IConnectionHalfCloseFeature inner) : IConnectionHalfCloseFeature
    {
        public ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default)
        {
            var completing = inner.CompleteOutputAsync(cancellationToken);
            return completing.IsCompleted ? completing : ThreadPoolHop.AfterAsync(completing);
        }
    }

    private sealed class PoolScheduling : IConnectionSchedulingFeature
    {
        public static readonly PoolScheduling Instance = new();

        public void Schedule(IThreadPoolWorkItem work)
        {
            ArgumentNullException.ThrowIfNull(work);
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
        }
    }
}
