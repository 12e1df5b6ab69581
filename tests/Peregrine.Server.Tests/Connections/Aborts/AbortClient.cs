using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Peregrine.Server.Tests.Connections.Aborts;

/// <summary>The peer of a round, and whoever aborts it.</summary>
internal sealed class AbortClient(AbortRound round) : IDisposable
{
    // Small, so that little is under way to a client that does not read.
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = 4096 };
    private Task _exchange = Task.CompletedTask;

    /// <summary>Connects, and waits until the connection is where it is to be aborted.</summary>
    public async Task ConnectAsync(EndPoint address, ConcurrentDictionary<int, AbortRound> rounds)
    {
        // Bound first: the server knows a round by the client's port.
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        rounds[((IPEndPoint)_socket.LocalEndPoint!).Port] = round;
        await _socket.ConnectAsync(address);
        if (round.ClientBytes > 0)
        {
            await _socket.SendAsync(new byte[round.ClientBytes]);
        }

        if (round.Phase == AbortPhase.Handshake)
        {
            _exchange = ExchangeAsync();
        }
        else if (round.ReadsToEnd)
        {
            Assert.Equal(SocketError.Success, await ReadToEndAsync());
            round.Reached.SetResult();
        }

        await round.Started.Task.InTimeAsync();
        if (!round.IsEarly)
        {
            await round.Reached.Task.InTimeAsync();
        }
    }

    public async Task AbortAsync()
    {
        var connection = await round.Started.Task;
        await PauseAsync();
        var byServer = round.By.HasFlag(AbortedBy.Server) ? Task.Run(() => connection.Abort(round.Reason)) : Task.CompletedTask;
        if (round.By.HasFlag(AbortedBy.Peer))
        {
            Reset();
        }

        await byServer;
        await _exchange;
        if (!round.By.HasFlag(AbortedBy.Peer))
        {
            round.ClientEnd = await ReadToEndAsync();
        }

        Reset();
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Without a linger time; and so no port of the client's stays behind in TIME_WAIT either.</summary>
    private void Reset() => _socket.Close(timeout: 0);

    private async Task PauseAsync()
    {
        switch (round.Pause.Kind)
        {
            case 0:
                break;
            case 1:
                Thread.SpinWait(round.Pause.Length);
                break;
            case 2:
                for (var i = 0; i < round.Pause.Length % 20; i++)
                {
                    await Task.Yield();
                }

                break;
            default:
                await Task.Delay(TimeSpan.FromMicroseconds(round.Pause.Length), TimeProvider.System);
                break;
        }
    }

    private async Task ExchangeAsync()
    {
        var one = new byte[1];
        try
        {
            for (var i = 0; i < AbortRound.Handshakes && await _socket.ReceiveAsync(one) > 0; i++)
            {
                if (i == round.SilentHandshake)
                {
                    return;
                }

                await _socket.SendAsync(one);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Aborted in the middle.
            round.ClientEnd = (exception as SocketException)?.SocketErrorCode;
        }
    }

    private async Task<SocketError> ReadToEndAsync()
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await _socket.ReceiveAsync(buffer).InTimeAsync() > 0)
            {
            }

            // A reset is reported once: the exchange may have met it.
            return round.ClientEnd ?? SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }
}
