using System.IO.Pipelines;

namespace Peregrine.Contract;

/// <summary>The reading half of one direction of a <see cref="RandomTransfer"/>.</summary>
internal sealed class RandomReader(PipeReader input, RandomTransfer.Plan plan)
{
    private const int MostToLeaveUnconsumed = 30_000;
    private readonly Random _random = new(~plan.Seed);
    private readonly List<Task> _cancelling = [];
    private long _consumed;
    private long _left;
    private int _cancels;
    private int _cancelled;
    private bool _ended;

    public async Task RunAsync()
    {
        while (!_ended)
        {
            if (await ReadAsync() is { } result)
                Take(result);
        }

        Assert.Equal(plan.Total, _consumed);
        await Task.WhenAll(_cancelling);
        if (_random.Next(2) == 0)
            await input.CompleteAsync();
    }

    private async Task<ReadResult?> ReadAsync()
    {
        switch (_random.Next(9))
        {
            case 0:
                return input.TryRead(out var result) ? result : null;
            case 1:
                return await ReadWithCancelledTokenAsync();
            case 2:
                CancelPending();
                return await input.ReadAsync();
            case 3:
                var read = input.ReadAsync().AsTask();
                CancelPending();
                return await read;
            case 4:
                _cancelling.Add(CancelLaterAsync(_random.Next(1, 5)));
                return await input.ReadAsync();
            case 5:
                return await ReadWithTokenAsync();
            case 6:
                return await ReadAtLeastAsync(_random.Next(3_000));
            default:
                return await input.ReadAsync();
        }
    }

    // PipeReader.ReadAtLeastAsync leaves the caller's context; this one does not.
    private async Task<ReadResult> ReadAtLeastAsync(int count)
    {
        while (true)
        {
            var result = await input.ReadAsync();
            if (result.IsCanceled || result.IsCompleted || result.Buffer.Length >= count)
                return result;
            Content.Verify(result.Buffer, _consumed);
            input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private async Task<ReadResult?> ReadWithCancelledTokenAsync()
    {
        try
        {
            await input.ReadAsync(new CancellationToken(canceled: true));
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        throw new InvalidOperationException("A read ignored its token.");
    }

    private void Take(in ReadResult result)
    {
        long length = result.Buffer.Length;
        Content.Verify(result.Buffer, _consumed);
        Assert.True(_consumed + length <= plan.Total, $"{_consumed + length} bytes arrived of {plan.Total} that were sent.");
        if (result.IsCanceled)
        {
            _cancelled++;
            Assert.True(_cancelled <= Volatile.Read(ref _cancels), "A read was cancelled that nobody cancelled.");
        }
        else
        {
            Assert.True(length >= _left, $"{_left} bytes were left unconsumed, and {length} are there.");
            Assert.True(result.IsCompleted || length > 0, "A read that was not cancelled brought nothing.");
        }

        if (result.IsCanceled && _random.Next(2) == 0)
            return;

        bool consumesAll = length > MostToLeaveUnconsumed || _random.Next(4) == 0;
        long consumed = consumesAll ? length : _random.NextInt64(length + 1);
        long examined = _random.Next(2) == 0 ? length : _random.NextInt64(consumed, length + 1);
        input.AdvanceTo(result.Buffer.GetPosition(consumed), result.Buffer.GetPosition(examined));
        _consumed += consumed;
        _left = length - consumed;
        _ended = result.IsCompleted && _left == 0;
    }

    private async Task<ReadResult?> ReadWithTokenAsync()
    {
        using var cancellation = new CancellationTokenSource();
        var read = input.ReadAsync(cancellation.Token).AsTask();
        if (_random.Next(2) == 0)
            await Task.Yield();
        cancellation.Cancel();
        try
        {
            return await read;
        }
        catch (OperationCanceledException exception) when (exception.CancellationToken == cancellation.Token)
        {
            return null;
        }
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
        input.CancelPendingRead();
    }
}
