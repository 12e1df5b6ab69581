using System.Net;
using System.Net.Sockets;

namespace Peregrine.Server.Health;

/// <summary>A port that is open or closed, and of whose connections nobody wants anything but that they are accepted. For one caller at a time.</summary>
/// <param name="address">Where. Port 0 takes a free one, and keeps it.</param>
/// <param name="clock">Of the times it waits.</param>
internal sealed class ProbePort(IPEndPoint address, TimeProvider clock) : IAsyncDisposable
{
    private const int Backlog = 64;

    /// <summary>
    /// So many connections wait for their peers' FIN at once, and as many descriptors are held. Others are released right behind their own FIN: never with a reset at
    /// once, which a client that has just connected would take for a failure to connect.
    /// </summary>
    private const int MostClosing = 16;

    private const int MostDiscardedBytes = 4096;

    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(1);

    private Socket? _socket;
    private CancellationTokenSource? _closing;
    private Task _accepting = Task.CompletedTask;
    private int _closingClients;

    public IPEndPoint Address { get; private set; } = address;

    /// <summary>Takes the port, and refuses connections. It is its own from now on, as far as the system keeps ports for who does not listen.</summary>
    /// <exception cref="SocketException">It cannot be had.</exception>
    public void Bind()
    {
        if (_socket is not null)
        {
            return;
        }

        var socket = new Socket(Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (Address.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(Address);
            Address = (IPEndPoint)socket.LocalEndPoint!;
            _socket = socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Accepts connections, unless it does.</summary>
    /// <exception cref="SocketException">The port cannot be had any more.</exception>
    public void Open()
    {
        if (_closing is not null)
        {
            return;
        }

        Bind();
        var socket = _socket!;
        socket.Listen(Backlog);
        _closing = new CancellationTokenSource();
        var token = _closing.Token;
        _accepting = Task.Run(() => AcceptAllAsync(socket, token));
    }

    /// <summary>Refuses connections, unless it does.</summary>
    /// <exception cref="SocketException">Somebody else has the port meanwhile: it refuses, and its next opening tries again.</exception>
    public async Task CloseAsync()
    {
        if (_closing is not null)
        {
            await DisposeAsync().ConfigureAwait(false);
            Bind();
        }
    }

    /// <summary>Gives the port up, for now: it can be opened again.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closing is { } closing)
        {
            _closing = null;
            await closing.CancelAsync().ConfigureAwait(false);
            await _accepting.ConfigureAwait(false);
            closing.Dispose();
        }

        _socket?.Dispose();
        _socket = null;
    }

    private async Task AcceptAllAsync(Socket socket, CancellationToken closing)
    {
        var backoff = default(Backoff);
        while (!closing.IsCancellationRequested)
        {
            try
            {
                var client = await socket.AcceptAsync(closing).ConfigureAwait(false);
                backoff.Reset();
                _ = AnswerAsync(client);
            }
            catch (OperationCanceledException) when (closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception)
            {
                // Descriptors are short, most likely, which keeps the server from being ready, too. Whatever it is, the next one may be accepted.
                await Task.Delay(backoff.Next(), clock, closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Sends the FIN, and waits a moment for the peer's: released with bytes of the peer unread, the socket would reset.</summary>
    private async Task AnswerAsync(Socket client)
    {
        var isOver = false;
        try
        {
            var waits = Interlocked.Increment(ref _closingClients) <= MostClosing;
            client.Shutdown(SocketShutdown.Send);
            isOver = waits && !await ReadToEndAsync(client, clock).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // It is gone.
        }
        catch (OperationCanceledException)
        {
            isOver = true;
        }
        finally
        {
            Interlocked.Decrement(ref _closingClients);
            Close(client, reset: isOver);
        }
    }

    /// <summary>False if it sends too much.</summary>
    private static async Task<bool> ReadToEndAsync(Socket client, TimeProvider clock)
    {
        using var limit = new CancellationTokenSource(CloseLimit, clock);
        var buffer = new byte[256];
        for (var discarded = 0; discarded < MostDiscardedBytes;)
        {
            var count = await client.ReceiveAsync(buffer, limit.Token).ConfigureAwait(false);
            if (count == 0)
            {
                return true;
            }

            discarded += count;
        }

        return false;
    }

    private static void Close(Socket client, bool reset)
    {
        try
        {
            if (reset)
            {
                client.LingerState = new LingerOption(enable: true, seconds: 0);
            }
        }
        catch (SocketException)
        {
            // It is reset already.
        }

        client.Dispose();
    }
}
