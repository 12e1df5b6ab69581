using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Calls a handler for one batch after the other, and sends what it has queued. What it throws costs the batch.</summary>
internal sealed class BatchDispatch(
    DatagramDelegate handler, DatagramCounters counters, QueuedSender sender, EndPoint localEndPoint, TimeProvider clock, ILogger logger)
{
    private readonly ReportInterval _failures = new(clock);
    private volatile bool _isClosed;

    public DatagramCounters Counters => counters;

    /// <summary>What handlers throw from here on, they throw because the socket is closed.</summary>
    public void Close() => _isClosed = true;

    /// <summary>Never fails.</summary>
    public ValueTask HandleAsync(DatagramBatch batch)
    {
        var handling = CallAsync(batch);

        // What was queued so far; what follows behind an await is sent by the pool, or at the end.
        sender.EndBatch();
        return handling;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask CallAsync(DatagramBatch batch)
    {
        sender.BeginBatch();
        try
        {
            var handling = handler(batch, sender);
            if (handling.IsCompleted)
            {
                await handling.ConfigureAwait(false);
                return;
            }

            await handling.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Fail(batch, exception);
        }

        sender.Flush();
    }

    private void Fail(DatagramBatch batch, Exception exception)
    {
        if (_isClosed && exception is ObjectDisposedException or OperationCanceledException)
        {
            counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
            return;
        }

        counters.AddDropped(DatagramDropReason.HandlerFailed, batch.Count);
        if (_failures.IsDue(out var count))
        {
            SocketsLog.DatagramHandlerFailed(logger, localEndPoint, count, exception);
        }
    }
}
