using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using DotNetty.Buffers;
using DotNetty.Codecs;
using DotNetty.Transport.Channels;
using DotNetty.Transport.Channels.Embedded;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>
/// A million messages of three bytes behind their length, read and written by this library over a pipe, and by DotNetty's length field codec in a channel without a
/// socket: the same bytes, in the same parts. An operation is a message.
/// </summary>
[MemoryDiagnoser]
[CategoriesColumn]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
public class LengthFieldAgainstDotNetty
{
    private const int Messages = 1_000_000;
    private const int MessagesPerFlush = 100;

    // No multiple of a frame: there is one that is cut by nearly every end of a part.
    private const int PartLength = 4096;

    private static readonly byte[] Message = [1, 2, 3];

    private readonly Pipe _incoming = NewPipe();
    private readonly Pipe _outgoing = NewPipe();
    private byte[] _bytes = null!;
    private MessageReader<ReadOnlySequence<byte>> _reader = null!;
    private MessageWriter _writer = null!;
    private LengthFieldWriter _format = null!;
    private EmbeddedChannel _decoder = null!;
    private EmbeddedChannel _encoder = null!;
    private CountingHandler _decoded = null!;
    private IByteBuffer _message = null!;
    private object[] _batch = null!;

    /// <summary>Of the length, in bytes.</summary>
    [Params(2, 4)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Start()
    {
        var options = new LengthFieldOptions { Width = Width };
        _format = new LengthFieldWriter(options);
        var bytes = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Messages; i++)
        {
            _format.Write(Message, bytes);
        }

        _bytes = bytes.WrittenSpan.ToArray();
        _reader = new MessageReader<ReadOnlySequence<byte>>(_incoming.Reader, new LengthFieldReader(options));
        _writer = new MessageWriter(_outgoing.Writer);
        _decoded = new CountingHandler();
        _decoder = new EmbeddedChannel(new LengthFieldBasedFrameDecoder(1 << 20, 0, Width, 0, Width), _decoded);
        _encoder = new EmbeddedChannel(new LengthFieldPrepender(Width));
        _message = Unpooled.WrappedBuffer(Message);
        _batch = [.. Enumerable.Repeat<object>(_message, MessagesPerFlush)];
        Read().GetAwaiter().GetResult();
        ReadByDotNetty();
        Write().GetAwaiter().GetResult();
        WriteByDotNetty();
    }

    [BenchmarkCategory("Read")]
    [Benchmark(Baseline = true, OperationsPerInvoke = Messages)]
    public void ReadByDotNetty()
    {
        (_decoded.Messages, _decoded.Length) = (0, 0);
        for (var start = 0; start < _bytes.Length; start += PartLength)
        {
            _decoder.WriteInbound(Unpooled.WrappedBuffer(_bytes, start, Math.Min(PartLength, _bytes.Length - start)));
        }

        Check(_decoded.Messages, _decoded.Length);
    }

    [BenchmarkCategory("Read")]
    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Read()
    {
        var (messages, length) = (0, 0L);
        for (var start = 0; start < _bytes.Length; start += PartLength)
        {
            await _incoming.Writer.WriteAsync(_bytes.AsMemory(start, Math.Min(PartLength, _bytes.Length - start)));
            await _reader.WaitToReadAsync();
            ReadPart(ref messages, ref length);
        }

        Check(messages, length);
    }

    // A loop in an asynchronous method that is called some times only is not optimized before it has ended.
    private void ReadPart(ref int messages, ref long length)
    {
        while (_reader.TryRead(out var message))
        {
            messages++;
            length += message.Length;
        }
    }

    [BenchmarkCategory("Write")]
    [Benchmark(Baseline = true, OperationsPerInvoke = Messages)]
    public void WriteByDotNetty()
    {
        var length = 0L;
        for (var i = 0; i < Messages; i += MessagesPerFlush)
        {
            _message.Retain(MessagesPerFlush);
            _encoder.WriteOutbound(_batch);
            while (_encoder.ReadOutbound<IByteBuffer>() is { } part)
            {
                length += part.ReadableBytes;
                part.Release();
            }
        }

        Expect.True(length == _bytes.Length, "Bytes are missing.");
    }

    [BenchmarkCategory("Write")]
    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Write()
    {
        var length = 0L;
        for (var i = 0; i < Messages; i += MessagesPerFlush)
        {
            WriteBatch();
            await _writer.FlushAsync();
            var read = await _outgoing.Reader.ReadAsync();
            length += read.Buffer.Length;
            _outgoing.Reader.AdvanceTo(read.Buffer.End);
        }

        Expect.True(length == _bytes.Length, "Bytes are missing.");
    }

    private void WriteBatch()
    {
        for (var i = 0; i < MessagesPerFlush; i++)
        {
            _writer.Write<ReadOnlySpan<byte>>(Message, _format);
        }
    }

    private static void Check(int messages, long length) => Expect.True(messages == Messages && length == (long)Messages * Message.Length, "Messages are missing.");

    private static Pipe NewPipe() => new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));

    private sealed class CountingHandler : ChannelHandlerAdapter
    {
        public int Messages { get; set; }

        public long Length { get; set; }

        public override void ChannelRead(IChannelHandlerContext context, object message)
        {
            var buffer = (IByteBuffer)message;
            Messages++;
            Length += buffer.ReadableBytes;
            buffer.Release();
        }
    }
}
