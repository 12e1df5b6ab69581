using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>A format with one message, which is written and read many times.</summary>
public abstract class Framing(string name)
{
    public override string ToString() => name;

    public abstract void Write(IBufferWriter<byte> output);

    /// <summary>A reader that finds the messages of the input in each of its reads; and whether they are what was written, if that is asked.</summary>
    public abstract Action<int, bool> Over(ReadOnlySequence<byte> input);
}

/// <inheritdoc/>
internal sealed class Framing<TMessage>(string name, Func<IMessageReader<TMessage>> create, Action<IBufferWriter<byte>> write, Func<TMessage, bool> isSame)
    : Framing(name)
    where TMessage : allows ref struct
{
    public override void Write(IBufferWriter<byte> output) => write(output);

    public override Action<int, bool> Over(ReadOnlySequence<byte> input)
    {
        var reader = new MessageReader<TMessage>(new RepeatedInput(input), create());
        return (messages, isChecked) =>
        {
            var read = reader.WaitToReadAsync();
            Expect.True(read.IsCompleted && read.Result, "There are no messages.");
            for (; reader.TryRead(out var message); messages--)
            {
                Expect.True(!isChecked || isSame(message), "A message is not what was written.");
            }

            Expect.True(messages == 0, "There are more or fewer messages.");
        };
    }

    /// <summary>Each read has the same bytes.</summary>
    private sealed class RepeatedInput(ReadOnlySequence<byte> bytes) : PipeReader
    {
        public override bool TryRead(out ReadResult result)
        {
            result = new ReadResult(bytes, isCanceled: false, isCompleted: false);
            return true;
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => new(new ReadResult(bytes, isCanceled: false, isCompleted: false));

        public override void AdvanceTo(SequencePosition consumed)
        {
        }

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
        }

        public override void CancelPendingRead()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }
}
