using System.Net.Sockets;

namespace Peregrine.LoadTest.Contestants;

/// <summary>
/// One connection with one args object and one buffer: receives, sends the same bytes back (or counts them), and again. It is what
/// SocketAsyncEventArgs can do with nothing above it: the limit for a transport that is built on them.
/// </summary>
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
    private bool _isSending;

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
        while (SocketError == SocketError.Success && (_isSending || BytesTransferred > 0))
        {
            var isPending = _isSending ? OnSent() : OnReceived();
            if (isPending)
            {
                return;
            }
        }

        _socket.Dispose();
        Dispose();
    }

    private bool OnReceived()
    {
        if (_service == Service.Sink)
        {
            SinkCount.Add(BytesTransferred);
            return _socket.ReceiveAsync(this);
        }

        _isSending = true;
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

        _isSending = false;
        SetBuffer(0, _buffer.Length);
        return _socket.ReceiveAsync(this);
    }
}
