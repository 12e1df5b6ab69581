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
        try
        {
            for (var segment = first; segment is not null && count < MostGathered; segment = segment.NextSegment)
            {
                if (segment.Length > 0)
                {
                    pins[count] = segment.Unsent.Pin();
                    vectors[count] = new SocketCalls.IoVector { Bytes = pins[count].Pointer, Length = (nuint)segment.Length };
                    count++;
                }
            }

            if (!_descriptor.TryEnter(out var number))
            {
                return IoResult.Released;
            }

            var result = SocketCalls.Send(number, new ReadOnlySpan<SocketCalls.IoVector>(vectors, count));
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

    [InlineArray(MostGathered)]
    private struct Pins
    {
        private MemoryHandle _first;
    }
}
