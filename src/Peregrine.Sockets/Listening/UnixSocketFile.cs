using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Listening;

/// <summary>The file of a Unix domain socket (unix(7)): it outlives a process that was killed, and then blocks the next bind.</summary>
internal static class UnixSocketFile
{
    /// <summary>Removes the file if it is a socket that nobody listens on.</summary>
    /// <exception cref="AddressInUseException">Somebody listens on it, or it is not a socket.</exception>
    public static void RemoveStale(UnixDomainSocketEndPoint endPoint)
    {
        var path = endPoint.ToString();
        if (path.StartsWith('@') || !Path.Exists(path))
        {
            return; // In the abstract namespace there is no file.
        }

        if (!OperatingSystem.IsLinux() || !FileType.IsSocket(path))
        {
            throw new AddressInUseException($"The file {path} exists and is not a socket; remove it or choose another path.");
        }

        if (IsLive(endPoint))
        {
            throw new AddressInUseException($"Another process listens on the Unix domain socket {path}; stop it, or choose another path.");
        }

        File.Delete(path);
    }

    private static bool IsLive(UnixDomainSocketEndPoint endPoint)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        probe.Blocking = false;
        try
        {
            probe.Connect(endPoint);
            return true;
        }
        catch (SocketException exception)
        {
            if (exception.SocketErrorCode == SocketError.AccessDenied)
            {
                throw new AddressInUseException(
                    $"The Unix domain socket {endPoint} exists, and this process may not connect to it to see whether somebody listens; remove it or choose another path.");
            }

            // Would-block is a listener whose queue is full. A file that is gone by now, or refuses, has no listener.
            return exception.SocketErrorCode is not (SocketError.ConnectionRefused or SocketError.AddressNotAvailable);
        }
    }
}
