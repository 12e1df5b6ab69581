using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// One closed-loop connection: a fixed number of messages in flight; each answer that is complete lets the next message go. Message n is its
/// number, then bytes that depend on the connection; every byte of every answer is compared.
/// </summary>
internal sealed class EchoConnection : IDisposable
{
    private const int NumberLength = sizeof(long);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(15);

    private readonly Socket _socket;
    private readonly Load _load;
    private readonly Recorder _recorder;
    private readonly byte[] _outgoing;
    private readonly byte[] _expected;
    private readonly byte[] _received;
    private readonly long[] _sentAt;
    private long _sent;
    private long _answered;
    private int _offset;

    public EchoConnection(Socket socket, Load load, Recorder recorder, int index)
    {
        _socket = socket;
        _load = load;
        _recorder = recorder;
        _sentAt = new long[load.Depth];
        _received = new byte[Math.Clamp(load.Size * load.Depth, 4 * 1024, 256 * 1024)];
        _expected = new byte[load.Size];
        new Random(index).NextBytes(_expected);
        _outgoing = new byte[load.Size * load.Depth];
        for (var i = 0; i < load.Depth; i++)
        {
            _expected.CopyTo(_outgoing, i * load.Size);
        }
    }

    /// <summary>Runs until the recorder says that it is enough, then reads what is in flight, and then the server's end.</summary>
    /// <exception cref="InvalidDataException">What came back is not what was sent.</exception>
    public async Task RunAsync()
    {
        await SendAsync(_load.Depth);
        while (_answered < _sent)
        {
            var count = await _socket.ReceiveAsync(_received.AsMemory());
            if (count == 0)
            {
                throw new InvalidDataException($"The server ended the connection after {_answered} of {_sent} messages.");
            }

            var complete = Check(_received.AsSpan(0, count));
            if (complete > 0 && !_recorder.Enough)
            {
                await SendAsync(complete);
            }
        }

        _socket.Shutdown(SocketShutdown.Send);
        var last = await _socket.ReceiveAsync(_received.AsMemory()).AsTask().WaitAsync(EndLimit);
        if (last != 0)
        {
            throw new InvalidDataException("The server sent more than it received.");
        }
    }

    public void Dispose() => _socket.Dispose();

    private async ValueTask SendAsync(int messages)
    {
        var now = Stopwatch.GetTimestamp();
        for (var i = 0; i < messages; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_outgoing.AsSpan(i * _load.Size, NumberLength), _sent);
            _sentAt[_sent % _sentAt.Length] = now;
            _sent++;
        }

        var left = _outgoing.AsMemory(0, messages * _load.Size);
        while (left.Length > 0)
        {
            left = left[await _socket.SendAsync(left)..];
        }
    }

    /// <summary>Compares what was received; returns how many answers it completes.</summary>
    private int Check(ReadOnlySpan<byte> bytes)
    {
        var complete = 0;
        while (bytes.Length > 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_expected, _answered);
            var part = bytes[..Math.Min(bytes.Length, _load.Size - _offset)];
            if (!part.SequenceEqual(_expected.AsSpan(_offset, part.Length)))
            {
                throw new InvalidDataException($"Message {_answered} came back changed, in the {part.Length} bytes from {_offset}.");
            }

            bytes = bytes[part.Length..];
            _offset += part.Length;
            if (_offset == _load.Size)
            {
                _recorder.Record(Stopwatch.GetElapsedTime(_sentAt[_answered % _sentAt.Length]));
                _answered++;
                _offset = 0;
                complete++;
            }
        }

        return complete;
    }
}
