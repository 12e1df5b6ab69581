using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <content>What becomes of what was sent, and of what was not.</content>
internal sealed partial class QueuedSender
{
    private Outcome CompleteLocked(ReadOnlySpan<OutgoingMessage> messages, Transmitted transmitted)
    {
        var outcome = default(Outcome);
        var (datagrams, bytes) = (0, 0L);
        foreach (ref readonly var message in messages[..transmitted.Messages])
        {
            outcome.HasSegmentationEnded |= NoteSentLocked(message);
            datagrams += message.Datagrams;
            bytes += message.Length;
            _ring.RemoveFirst(message);
        }

        if (datagrams > 0)
        {
            _counters.AddSent(datagrams, bytes);
            _backoff.Reset();
            _isRetried = false;
        }

        if (transmitted.Error != SendError.None)
        {
            FailLocked(messages[transmitted.Messages], transmitted, ref outcome);
        }

        outcome.Progress = TakeProgressLocked();
        return outcome;
    }

    private void FailLocked(in OutgoingMessage message, Transmitted transmitted, ref Outcome outcome)
    {
        switch (transmitted.Error)
        {
            case SendError.WouldBlock:
                _isBlocked = true;
                outcome.IsWaiting = true;
                break;
            case SendError.Starved:
                _isBlocked = true;
                RetryLaterLocked();
                break;
            case SendError.Closed:
                // Whoever closes it counts what is left.
                _isBlocked = true;
                break;
            case var _ when _transmission.IsConnected && !_isRetried:
                // The error may be of a datagram that was sent before, and is taken by its report.
                _isRetried = true;
                break;
            case SendError.TooLarge or SendError.Other when message.Datagrams > 1:
                // Sent one by one: then it shows whether they are refused, or only that they are together.
                _ring.Entry(0).IsRefusedAsOne = true;
                _isRetried = false;
                break;
            default:
                _counters.AddDropped(ReasonOf(transmitted.Error), message.Datagrams);
                _ring.RemoveFirst(message);
                _isRetried = false;
                break;
        }
    }

    /// <summary>Learns from what was sent how much may be sent together. True if it is nothing, from now on.</summary>
    private bool NoteSentLocked(in OutgoingMessage message)
    {
        ref var entry = ref _ring.Entry(0);
        if (message.Datagrams > 1)
        {
            _hasSegmented = true;
        }
        else if (entry.IsRefusedAsOne && entry.SegmentSize <= _ring.LargestSegment)
        {
            // Refused together, and taken alone. Long ones may be longer than what their path takes whole; short ones of a socket that has never sent any together
            // are refused by the network card, or a sandbox. One that has sent some has met with a path of its own.
            if (entry.SegmentSize > DatagramLimits.PayloadOfEveryPath)
            {
                _ring.LargestSegment = Math.Max(DatagramLimits.PayloadOfEveryPath, entry.SegmentSize - 1);
            }
            else if (!_hasSegmented)
            {
                _ring.LargestSegment = 0;
                return true;
            }
        }

        return false;
    }

    private void RetryLaterLocked()
    {
        _timer ??= _clock.CreateTimer(static sender => ((QueuedSender)sender!).OnRoom(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(_backoff.Next(), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Outside of the locks.</summary>
    private void Report(in Outcome outcome)
    {
        outcome.Progress?.SetResult();
        if (outcome.IsWaiting)
        {
            _transmission.WaitForRoom(this);
        }

        if (outcome.HasSegmentationEnded)
        {
            SocketsLog.SegmentationEnded(_logger);
        }
    }

    private static DatagramDropReason ReasonOf(SendError error) => error switch
    {
        SendError.TooLarge => DatagramDropReason.SendTooLarge,
        SendError.Unreachable => DatagramDropReason.SendUnreachable,
        SendError.Refused => DatagramDropReason.SendRefused,
        _ => DatagramDropReason.SendFailed,
    };

    /// <summary>What is to be done when no lock is held.</summary>
    private struct Outcome
    {
        public TaskCompletionSource? Progress;
        public bool IsWaiting;
        public bool HasSegmentationEnded;
    }
}
