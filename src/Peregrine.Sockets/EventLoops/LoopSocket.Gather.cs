using System.Buffers;
using System.Runtime.CompilerServices;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <content>Many blocks with one system call.</content>
internal sealed partial class LoopSocket
{
    // A block is 64 KiB when a chain is that long: more than the kernel takes at once.
    private const int MostGathered = 16;

    /// <summary>See <see cref="IStreamSocket.TrySend(BufferSegment)"/>.</summary>
    public unsafe IoResult TrySend(BufferSegment first)
    {
        var pins = default(Pins);
        var vectors = stackalloc SocketCalls.IoVector[MostGathered];
        var count = 0;
        long length = 0;
        try
        {
            for (var segment = first; segment is not null && count < MostGathered; segment = segment.NextSegment)
            {
                if (segment.Length > 0)
                {
                    pins[count] = segment.Unsent.Pin();
                    vectors[count] = new SocketCalls.IoVector { Bytes = pins[count].Pointer, Length = (nuint)segment.Length };
                    length += segment.Length;
                    count++;
                }
            }

            if (!_descriptor.TryEnter(out var number))
            {
                return IoResult.Released;
            }

            var gathered = new Span<SocketCalls.IoVector>(vectors, count);
            var isCut = !_allowance.Covers(length) && TryCut(number, ref gathered, length);
            var result = SocketCalls.Send(number, gathered, isCut);
            _allowance.Take(result.Bytes);
            Exit(number);
            return result.IsError ? _ending.Reported(result) : result;
        }
        finally
        {
            for (var i = 0; i < count; i++)
            {
                pins[i].Dispose();
            }
        }
    }

    /// <summary>As that of a single block.</summary>
    private bool TryCut(int number, ref Span<SocketCalls.IoVector> gathered, long length)
    {
        var allowed = _allowance.Renew(length, UnsentBound, RoomOf(number));
        if (allowed == length)
        {
            return false;
        }

        var left = (nuint)allowed;
        var last = 0;
        for (; left > gathered[last].Length; last++)
        {
            left -= gathered[last].Length;
        }

        gathered[last].Length = left;
        gathered = gathered[..(last + 1)];
        return true;
    }

    [InlineArray(MostGathered)]
    private struct Pins
    {
        private MemoryHandle _first;
    }
}
