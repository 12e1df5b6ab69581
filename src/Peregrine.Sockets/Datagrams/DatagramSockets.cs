using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Datagrams;

/// <summary>Opens the sockets that are bound to an address: one, or several that share its port.</summary>
internal sealed class DatagramSockets(DatagramSocketOptions options)
{
    private readonly DatagramTuning _tuning = new(options);
    private readonly MulticastTuning _multicast = new(options.Multicast);

    /// <exception cref="AddressInUseException">Somebody else has the address, shared or not.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had.</exception>
    public Socket[] Bind(IPEndPoint address, int count)
    {
        OptionSupport.CheckListeners(count, address, OperatingSystem.IsLinux());
        var sockets = new List<Socket>(count);
        try
        {
            sockets.Add(Bind(address));
            if (count > 1)
            {
                // The first has the port for itself when it is bound, and shares it only then: so a server that is started twice by
                // mistake fails the second time.
                Share(sockets[0], count);
            }

            while (sockets.Count < count)
            {
                sockets.Add(Bind((IPEndPoint)sockets[0].LocalEndPoint!, socket => Share(socket, count)));
            }

            sockets.ForEach(_multicast.Apply);

            // One of them: what is sent to a group is not spread, but comes to every socket that has joined it.
            _multicast.Join(sockets[0]);
            return [.. sockets];
        }
        catch (Exception exception)
        {
            sockets.ForEach(socket => socket.Dispose());
            if (exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                throw new AddressInUseException($"The address {address} is in use.", exception);
            }

            throw;
        }
    }

    /// <exception cref="SocketException">There is no way to the peer.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had.</exception>
    public Socket Connect(IPEndPoint peer)
    {
        var socket = DatagramTuning.Create(peer);
        try
        {
            _tuning.Apply(socket, peer, isBinding: false);
            _multicast.Apply(socket);
            _multicast.Join(socket);

            // Waits for nothing: it notes the address.
            socket.Connect(peer);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="DatagramTuning.AskForControl"/>
    public bool AskForControl(Socket socket, bool isBoundToAll) => _tuning.AskForControl(socket, isBoundToAll);

    private Socket Bind(IPEndPoint address, Action<Socket>? prepare = null)
    {
        var socket = DatagramTuning.Create(address);
        try
        {
            _tuning.Apply(socket, address, isBinding: true);
            prepare?.Invoke(socket);
            socket.Bind(address);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Share(Socket socket, int count) =>
        SocketOptionRefusal.Guard(nameof(DatagramTransportOptions.Listeners), count, () => RawOption.ReusePort.Set(socket, 1));
}
