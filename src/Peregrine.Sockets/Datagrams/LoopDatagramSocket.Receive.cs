using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <content>The loop that receives.</content>
internal sealed partial class LoopDatagramSocket
{
    /// <summary>The receive loop, which nothing but its stop ends.</summary>
    private async Task RunAsync(BatchDispatch dispatch)
    {
        if (TryWait())
        {
            await _turn.Task.ConfigureAwait(false);
        }

        while (true)
        {
            try
            {
                await ReceiveAsync(dispatch).ConfigureAwait(false);
                return;
            }
            catch (Exception exception)
            {
                // Memory is short.
                SocketsLog.LoopWorkFailed(Origin.Logger, Origin.EndPoint, exception);
                _errors.Next(SocketError.NoBufferSpaceAvailable, out var delay);
                await DelayAsync(delay).ConfigureAwait(false);
            }
        }
    }

    private async Task ReceiveAsync(BatchDispatch dispatch)
    {
        var batch = new DatagramBatch(_incoming.Capacity);
        var (calls, datagrams, stopping) = (0, 0, 0L);
        while (!_stop.IsLeftBehind)
        {
            // Both before the call: what is told, or asked for, from here on is looked at after it.
            _read.Forget();
            var isStopping = _stop.IsRequested;
            var received = Receive(_incoming);
            if (received == 0 || (received == -Errno.TryAgain && isStopping))
            {
                return; // Released, or everything is received.
            }

            if (received > 0)
            {
                _errors.Reset();
                datagrams += await HandleAsync(dispatch, batch).ConfigureAwait(false);
                stopping += isStopping ? received : 0;
                if (isStopping && _stop.IsExhausted(stopping))
                {
                    return;
                }
            }
            else if (received != -Errno.TryAgain)
            {
                if (_errors.Next(Errno.ToSocketError(-received), out var delay))
                {
                    await DelayAsync(delay).ConfigureAwait(false);
                }

                continue;
            }

            if (!isStopping && received < _incoming.Capacity && TryWait())
            {
                // The queue was empty: what has come since then was told, or will be.
                await _turn.Task.ConfigureAwait(false);
                (calls, datagrams) = (0, 0);
            }
            else if (++calls >= MostInARow || datagrams >= MostDatagramsInARow)
            {
                await YieldAsync().ConfigureAwait(false);
                (calls, datagrams) = (0, 0);
            }
        }
    }

    /// <summary>Hands out what one call has received.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> HandleAsync(BatchDispatch dispatch, DatagramBatch batch)
    {
        var datagrams = 0;
        var timestamp = _clock.GetTimestamp();
        while (!_incoming.IsEmpty)
        {
            batch.Clear();
            _incoming.Take(batch, _mostOfABatch, timestamp, dispatch.Counters);
            datagrams += batch.Count;
            if (batch.Count == 0)
            {
                continue;
            }

            if (!_stop.TryEnter())
            {
                dispatch.Counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
                continue;
            }

            try
            {
                var handling = dispatch.HandleAsync(batch);
                if (!handling.IsCompletedSuccessfully)
                {
                    await handling.ConfigureAwait(false);
                    if (!_isOnPool || !Thread.CurrentThread.IsThreadPoolThread)
                    {
                        // Not on a thread that somebody else has lent, and on an event loop where there is one.
                        await YieldAsync().ConfigureAwait(false);
                    }
                }
            }
            finally
            {
                _stop.Exit();
            }

            if (_stop.IsLeftBehind)
            {
                break;
            }
        }

        return datagrams;
    }

    /// <summary>Beside the loop, which a handler that does not end holds up, and whose buffers it may look at: so that it is counted.</summary>
    private void DropWhatIsQueued(DatagramCounters counters)
    {
        var incoming = _makeIncoming();
        for (var dropped = 0L; !_stop.IsExhausted(dropped) && Receive(incoming) is > 0 and var received; dropped += received)
        {
            Drop(incoming, counters);
        }
    }

    private void Drop(IncomingMessages incoming, DatagramCounters counters)
    {
        var batch = new DatagramBatch(incoming.Capacity);
        while (!incoming.IsEmpty)
        {
            batch.Clear();
            incoming.Take(batch, _mostOfABatch, timestamp: 0, counters);
            counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
        }
    }

    /// <summary>How many messages; zero if the socket is released; negative, it is an errno.</summary>
    private int Receive(IncomingMessages incoming)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return 0;
        }

        var received = incoming.Receive(number);
        Exit(number);

        // A call that brings nothing, and no error, is not one of this kernel; it must not look like the end.
        return received == 0 ? -Errno.TryAgain : received;
    }

    /// <summary>False if there was news since the last call: it is looked at without a wait. Otherwise the turn is to be awaited.</summary>
    private bool TryWait()
    {
        _turn.Begin();
        return _read.TryWait();
    }

    private ValueTask YieldAsync()
    {
        _turn.BeginOn(_loop, Origin);
        return _turn.Task;
    }

    private async ValueTask DelayAsync(TimeSpan delay)
    {
        await Task.Delay(delay, _clock).ConfigureAwait(false);
        await YieldAsync().ConfigureAwait(false);
    }

    /// <summary>It looks again, as if it had been told of datagrams.</summary>
    private void WakeReceive()
    {
        if (_read.TryTake())
        {
            _loop.Post(_turn, Origin);
        }
    }
}
