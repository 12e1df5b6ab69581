using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Listening;

/// <summary>Opens the sockets that listen on an address: one, or several that share its port.</summary>
internal static class ListeningSockets
{
    /// <returns>Each of them listens.</returns>
    /// <exception cref="AddressInUseException">Somebody else has the address, shared or not.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had.</exception>
    public static Socket[] Open(EndPoint address, int count, int backlog, SocketTuning tuning)
    {
        OptionSupport.CheckListeners(count, address, OperatingSystem.IsLinux());
        var sockets = new List<Socket>(count);
        try
        {
            sockets.Add(Bind(address, tuning));
            if (count > 1)
            {
                // The first has the port for itself when it is bound, and shares it only then: so a server that is started twice by
                // mistake fails the second time.
                Share(sockets[0], count);
            }

            while (sockets.Count < count)
            {
                sockets.Add(BindShared(sockets[0].LocalEndPoint!, tuning, count));
            }

            foreach (var socket in sockets)
            {
                socket.Listen(backlog);
            }

            return [.. sockets];
        }
        catch (Exception exception)
        {
            foreach (var socket in sockets)
            {
                socket.Dispose();
            }

            if (exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                throw new AddressInUseException($"The address {address} is in use.", exception);
            }

            throw;
        }
    }

    private static Socket Bind(EndPoint address, SocketTuning tuning, Action<Socket>? prepare = null)
    {
        var socket = SocketTuning.Create(address);
        try
        {
            tuning.ApplyToListening(socket, address);
            prepare?.Invoke(socket);

            // Neither ReuseAddress nor ExclusiveAddressUse is touched: each would share the port silently. SO_REUSEADDR alone, which
            // lets a restart bind while old connections are in TIME_WAIT, is set by the runtime.
            socket.Bind(address);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Socket BindShared(EndPoint address, SocketTuning tuning, int count) => Bind(address, tuning, socket => Share(socket, count));

    private static void Share(Socket socket, int count)
    {
        try
        {
            RawOption.ReusePort.Set(socket, 1);
        }
        catch (SocketException exception)
        {
            const string Option = nameof(SocketTransportOptions.Listeners);
            throw new SocketOptionException(Option, count, OptionSupport.Explain(Option, exception), exception);
        }
    }
}
