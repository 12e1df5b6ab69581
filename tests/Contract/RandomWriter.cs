using System.IO.Pipelines;

namespace Peregrine.Contract;

/// <summary>The writing half of one direction of a <see cref="RandomTransfer"/>.</summary>
internal sealed class RandomWriter(PipeWriter output, RandomTransfer.Plan plan)
{
    private readonly Random _random = new(plan.Seed);
    private readonly List<Task> _cancelling = [];
    private int _written;
    private int _cancels;
    private int _cancelled;

    public async Task RunAsync()
    {
        while (_written < plan.Total)
        {
            switch (_random.Next(10))
            {
                case < 4:
                    BufferSome();
                    break;
                case < 6:
                    await WriteAsync();
                    break;
                default:
                    await FlushAsync();
                    break;
            }
        }

        await Task.WhenAll(_cancelling);
        Assert.InRange(_cancelled, 0, _cancels);
        if (plan.EndsWithDispose)
            return;
        if (_random.Next(2) == 0)
            await ObserveAsync(output.FlushAsync());
        await output.CompleteAsync();
    }

    private void BufferSome()
    {
        for (int pieces = _random.Next(1, 4); pieces > 0 && _written < plan.Total; pieces--)
        {
            int hint = _random.Next(3) == 0 ? 0 : _random.Next(600);
            var memory = _random.Next(2) == 0 ? output.GetMemory(hint) : default;
            var span = memory.IsEmpty ? output.GetSpan(hint) : memory.Span;
            Assert.True(span.Length >= Math.Max(1, hint));
            int step = Math.Min(_random.Next(span.Length + 1), Math.Min(_random.Next(2_000), plan.Total - _written));
            Content.Fill(span[..step], _written);
            output.Advance(step);
            _written += step;
        }
    }

    private async Task WriteAsync()
    {
        int size = Math.Min(_random.Next(_random.Next(2, 20_000)), plan.Total - _written);
        var source = Content.Create(_written, size);
        if (_random.Next(6) == 0)
        {
            // Nothing is taken.
            await ExpectCancelledAsync(output.WriteAsync(source, new CancellationToken(canceled: true)));
            return;
        }

        _written += size;
        switch (_random.Next(4))
        {
            case 0:
                var write = output.WriteAsync(source).AsTask();
                CancelPending();
                Observe(await write);
                break;
            case 1:
                using (var cancellation = new CancellationTokenSource())
                    await GiveUpAsync(output.WriteAsync(source, cancellation.Token).AsTask(), cancellation);
                break;
            default:
                await ObserveAsync(output.WriteAsync(source));
                break;
        }

        // The caller's memory is the caller's again, however the write ended.
        source.AsSpan().Clear();
    }

    private async Task FlushAsync()
    {
        switch (_random.Next(7))
        {
            case 0:
                await ExpectCancelledAsync(output.FlushAsync(new CancellationToken(canceled: true)));
                break;
            case 1:
                CancelPending();
                await ObserveAsync(output.FlushAsync());
                break;
            case 2:
                var flush = output.FlushAsync().AsTask();
                CancelPending();
                Observe(await flush);
                break;
            case 3:
                _cancelling.Add(CancelLaterAsync(_random.Next(1, 5)));
                await ObserveAsync(output.FlushAsync());
                break;
            case 4:
                using (var cancellation = new CancellationTokenSource())
                    await GiveUpAsync(output.FlushAsync(cancellation.Token).AsTask(), cancellation);
                break;
            default:
                await ObserveAsync(output.FlushAsync());
                break;
        }
    }

    private async Task GiveUpAsync(Task<FlushResult> flush, CancellationTokenSource cancellation)
    {
        if (_random.Next(2) == 0)
            await Task.Yield();
        cancellation.Cancel();
        try
        {
            Observe(await flush);
        }
        catch (OperationCanceledException exception) when (exception.CancellationToken == cancellation.Token)
        {
            // Given up; what was taken stays taken.
        }
    }

    private static async Task ExpectCancelledAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            await flush;
        }
        catch (OperationCanceledException)
        {
            return;
        }

        throw new InvalidOperationException("A flush ignored its token.");
    }

    private async Task CancelLaterAsync(int yields)
    {
        for (int i = 0; i < yields; i++)
            await Task.Yield();
        CancelPending();
    }

    private void CancelPending()
    {
        Interlocked.Increment(ref _cancels);
        output.CancelPendingFlush();
    }

    private async Task ObserveAsync(ValueTask<FlushResult> flush) => Observe(await flush);

    private void Observe(FlushResult result)
    {
        _cancelled += result.IsCanceled ? 1 : 0;
        Assert.True(_cancelled <= Volatile.Read(ref _cancels), "A flush was cancelled that nobody cancelled.");
        Assert.False(result.IsCompleted, "The writer was told that its peer is gone, which it is not.");
    }
}
