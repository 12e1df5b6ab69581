namespace Peregrine.Middleware.Tls;

/// <summary>What is to be encrypted: blocks that were flushed, and then the memory that a flush lends.</summary>
internal sealed partial class TlsSendLoop
{
    /// <summary>False if nothing is left to encrypt.</summary>
    /// <exception cref="IOException">A part of it is lost.</exception>
    private bool TryTakePiece(out bool isFinishing)
    {
        lock (Gate)
        {
            if (_lostLent is not null)
            {
                throw new IOException("What was left to send found no buffer.", _lostLent);
            }

            isFinishing = _isFinishing;
            while (_first is { Length: 0 } empty)
            {
                _first = empty.Return();
            }

            _isPieceLent = _first is null;
            if (_isPieceLent)
            {
                _last = null;
                _piece = _lent[..Math.Min(_lent.Length, RecordSizeInBytes)];
            }
            else
            {
                _piece = _first!.UnsentUpTo(RecordSizeInBytes);
            }

            return _piece.Length > 0 && !_closed;
        }
    }

    /// <summary>The piece is encrypted. True if there is more.</summary>
    private bool ConsumePiece()
    {
        lock (Gate)
        {
            if (_isPieceLent)
            {
                _lent = _lent[_piece.Length..];
            }
            else
            {
                _first!.Consume(_piece.Length);
                _queued -= _piece.Length;
                if (_first.Length == 0)
                {
                    _first = _first.Return();
                    _last = _first is null ? null : _last;
                }
            }

            _piece = default;
            return _first is not null || _lent.Length > 0;
        }
    }

    private void EnqueueLocked(ref WriteChain written)
    {
        if (!written.HasBlocks)
        {
            return;
        }

        _queued += written.Length;
        var (first, last) = written.Take();
        _last?.Append(first);
        _first ??= first;
        _last = last;
    }

    /// <summary>What was lent is the caller's again, but for a piece that is being encrypted, for whose end the caller waits.</summary>
    private void KeepLentLocked()
    {
        var inUse = _isPieceLent ? _piece.Length : 0;
        if (_lent.Length > inUse)
        {
            var copy = default(WriteChain);
            try
            {
                copy.Copy(_writer.Blocks, _lent.Span[inUse..]);
                EnqueueLocked(ref copy);
            }
            catch (Exception exception)
            {
                // On a canceller's thread, say, where nobody would catch what the pool throws. Without it, nothing more can be sent.
                copy.Return();
                _lostLent = exception;
            }

            _lent = _lent[..inUse];
        }
    }

    private void ReturnAllLocked()
    {
        BufferSegment.ReturnAll(_first);
        _first = null;
        _last = null;
        _queued = 0;
        _lent = default;
        _piece = default;
    }
}
