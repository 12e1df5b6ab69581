using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>A socket on which OpenSSL reads and writes itself. Nothing in it waits, except where a member says so.</summary>
internal sealed unsafe class TlsSocket : IClientSocket
{
    // SSL_get_error(3).
    private const int WantsToRead = 2;
    private const int WantsToWrite = 3;
    private const int SystemCall = 5;
    private const int Ended = 6;

    private readonly TlsClient _client;
    private readonly nint _connection;
    private bool _isConnected;

    public TlsSocket(NativeSocket socket, TlsClient client)
    {
        Descriptor = socket.WithoutWaiting();
        _client = client;
        _connection = client.CreateConnection(socket.Number);
    }

    public NativeSocket Descriptor { get; }

    public bool HasReceived { get; private set; }

    /// <summary>Whether the handshake was an abbreviated one.</summary>
    public bool IsResumed => OpenSsl.IsSessionReused(_connection) == 1;

    public bool TryHandshake()
    {
        if (!_isConnected && OpenSsl.Connect(_connection) is var result)
        {
            _isConnected = result == 1;
            if (_isConnected)
            {
                _client.OnHandshakeCompleted(_connection);
            }
            else if (ErrorOf(result, "TLS handshake") != WantsToRead)
            {
                throw new InvalidDataException("TLS handshake: the server ended it, or took nothing of it.");
            }
        }

        return _isConnected;
    }

    // SSL_read gives one record at most, and epoll knows nothing of those that were read ahead.
    public int TryReceive(Span<byte> buffer)
    {
        var received = 0;
        do
        {
            fixed (byte* bytes = buffer)
            {
                var count = OpenSsl.Read(_connection, bytes + received, buffer.Length - received);
                if (count <= 0)
                {
                    var isEnd = ErrorOf(count, "TLS read") == Ended;
                    HasReceived = isEnd && received > 0;
                    return received > 0 ? received : isEnd ? 0 : -1;
                }

                received += count;
            }

            HasReceived = OpenSsl.HasPending(_connection) == 1;
        }
        while (HasReceived && received < buffer.Length);

        return received;
    }

    public int TrySend(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            var count = OpenSsl.Write(_connection, first, bytes.Length);
            return count > 0 ? count
                : ErrorOf(count, "TLS write") == WantsToWrite ? 0
                : throw new InvalidDataException("TLS write: the server ended the connection.");
        }
    }

    /// <summary>close_notify, and then FIN: the server's side of TCP is left to it.</summary>
    public void ShutdownSend()
    {
        if (OpenSsl.Shutdown(_connection) is var result and < 0)
        {
            ErrorOf(result, "TLS shutdown");
        }

        Descriptor.ShutdownSend();
    }

    public bool ReceiveMore()
    {
        Span<byte> buffer = stackalloc byte[1];
        int count;
        while ((count = TryReceive(buffer)) < 0)
        {
            Descriptor.WaitUntilReadable();
        }

        return count > 0;
    }

    public void Close()
    {
        _client.Release(_connection);
        Descriptor.Close();
    }

    /// <summary>What it waits for, or that it has ended; what is an error is thrown.</summary>
    private int ErrorOf(int result, string operation)
    {
        // Nothing else fails on this thread before it is asked: the queue of errors holds none of another connection.
        var systemError = Marshal.GetLastPInvokeError();
        var error = OpenSsl.GetError(_connection, result);
        if (error is WantsToRead or WantsToWrite or Ended)
        {
            return error;
        }

        var reason = error == SystemCall
            ? Marshal.GetPInvokeErrorMessage(systemError)
            : Marshal.PtrToStringUTF8((nint)OpenSsl.Reason(OpenSsl.TakeError())) ?? "it failed";
        throw new IOException($"{operation}: {reason}");
    }
}
