using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>A message from a writer to a reader that waits for it, through a pipe: the waits, the framing and the copies.</summary>
[MemoryDiagnoser]
public class PassMessages
{
    // Enough that the task of the benchmark itself does not count.
    private const int Messages = 2048;

    private readonly Pipe _pipe = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
    private readonly IMessageWriter<ReadOnlySequence<byte>> _format = new LengthFieldWriter();
    private byte[] _message = null!;
    private MessageReader<ReadOnlySequence<byte>> _reader = null!;
    private MessageWriter _writer = null!;

    [Params(3, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Start()
    {
        _message = RandomMessage.Of(Size);
        _reader = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader());
        _writer = new MessageWriter(_pipe.Writer);
        PassAsync(message => Expect.Same(_message, message.ToArray())).GetAwaiter().GetResult();
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Pass() => PassAsync(check: null);

    private async Task PassAsync(Action<ReadOnlySequence<byte>>? check)
    {
        for (var i = 0; i < Messages; i++)
        {
            // It ends inside of the write, because the pipe's schedulers are inline.
            var arrives = _reader.WaitToReadAsync();
            Expect.True(!arrives.IsCompleted, "There is a message before it is written.");
            await _writer.WriteAsync(new ReadOnlySequence<byte>(_message), _format);
            Expect.True(await arrives && _reader.TryRead(out var message) && Checked(message), "There is no message.");
            Expect.True(!_reader.TryRead(out _), "There is another one.");
        }

        bool Checked(ReadOnlySequence<byte> message)
        {
            check?.Invoke(message);
            return message.Length == Size;
        }
    }
}
