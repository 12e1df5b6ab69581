using System.Buffers.Binary;
using System.Net.Sockets;

namespace Peregrine.LoadTest.Contestants;

/// <summary>One connection with one args object and one buffer: receives, sends the same bytes back (or counts them), and again.</summary>
internal sealed class RawSaeaConnection : SocketAsyncEventArgs
{
    // One message of the largest scenario; and the block of the stream.
    private const int EchoBufferSize = 16 * 1024;
    private const int SinkBufferSize = 64 * 1024;

    private readonly Socket _socket;
    private readonly Service _service;
    private readonly byte[] _buffer;
    private int _received;
    private int _sent;
    private long _counted;
    private State _state;

    public RawSaeaConnection(Socket socket, Service service)
        : base(true)
    {
        _socket = socket;
        _service = service;
        _buffer = new byte[service == Service.Echo ? EchoBufferSize : SinkBufferSize];
    }

    public void Start()
    {
        SetBuffer(_buffer, 0, _buffer.Length);
        if (!_socket.ReceiveAsync(this))
        {
            OnCompleted(this);
        }
    }

    // Loops as long as operations complete at once, so that synchronous completions do not pile up on the stack.
    protected override void OnCompleted(SocketAsyncEventArgs e)
    {
        while (SocketError == SocketError.Success)
        {
            var pending = _state switch
            {
                State.Receiving => OnReceived(),
                State.Sending => OnSent(),
                _ => OnAnswered(),
            };
            if (pending)
            {
                return;
            }
        }

        End();
    }

    private bool OnReceived()
    {
        if (BytesTransferred == 0)
        {
            return OnPeerEnded();
        }

        if (_service == Service.Sink)
        {
            _counted += BytesTransferred;
            return _socket.ReceiveAsync(this);
        }

        _state = State.Sending;
        (_received, _sent) = (BytesTransferred, 0);
        SetBuffer(0, _received);
        return _socket.SendAsync(this);
    }

    private bool OnSent()
    {
        _sent += BytesTransferred;
        if (_sent < _received)
        {
            SetBuffer(_sent, _received - _sent);
            return _socket.SendAsync(this);
        }

        _state = State.Receiving;
        SetBuffer(0, _buffer.Length);
        return _socket.ReceiveAsync(this);
    }

    private bool OnPeerEnded()
    {
        if (_service == Service.Echo)
        {
            return OnAnswered();
        }

        _state = State.Answering;
        BinaryPrimitives.WriteInt64LittleEndian(_buffer, _counted);
        SetBuffer(0, sizeof(long));
        return _socket.SendAsync(this);
    }

    private bool OnAnswered()
    {
        End();
        return true;
    }

    private void End()
    {
        _socket.Dispose();
        Dispose();
    }

    private enum State
    {
        Receiving,
        Sending,
        Answering,
    }
}
