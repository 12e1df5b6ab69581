using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Middleware;

namespace XorMiddleware;

/// <summary>Reads what another reader has, each byte combined with a key.</summary>
public sealed class XorReader(PipeReader inner, byte key) : DelegatingPipeReader(inner)
{
    private ReadOnlySequence<byte> _received;

    // A copy of what is received and not consumed, from _start on: the received bytes are the inner reader's, and stay as they are.
    private byte[] _plain = [];
    private int _start;
    private int _count;

    private ReadOnlySequence<byte> Plain => new(_plain, _start, _count);

    protected override ReadResult OnRead(ReadResult result)
    {
        _received = result.Buffer;
        var length = checked((int)_received.Length);
        if (_plain.Length - _start < length)
        {
            MakeRoom(length);
        }

        // The first _count bytes were there before.
        var added = _plain.AsSpan(_start + _count, length - _count);
        _received.Slice(_count).CopyTo(added);
        XorExtensions.Apply(key, added);
        _count = length;
        return new ReadResult(Plain, result.IsCanceled, result.IsCompleted);
    }

    protected override void OnAdvance(SequencePosition consumed, SequencePosition examined)
    {
        // The caller's positions are in the copy. The same distances in what was received are the inner reader's.
        var (consumedBytes, examinedBytes) = (Plain.Slice(0, consumed).Length, Plain.Slice(0, examined).Length);
        Inner.AdvanceTo(_received.GetPosition(consumedBytes), _received.GetPosition(examinedBytes));
        _received = default;
        _start += (int)consumedBytes;
        _count -= (int)consumedBytes;
        if (_count == 0)
        {
            Return(); // A connection that waits holds no buffer.
        }
    }

    private void MakeRoom(int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, 2 * _count));
        _plain.AsSpan(_start, _count).CopyTo(larger);
        Return();
        _plain = larger;
    }

    private void Return()
    {
        if (_plain.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_plain);
        }

        (_plain, _start) = ([], 0);
    }
}
