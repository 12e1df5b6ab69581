using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Admin;

/// <summary>The sample Echo with an admin socket, and clients of it.</summary>
internal sealed class WatchedEcho : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly List<Socket> _clients = [];

    private WatchedEcho(ServerProcess server, IPEndPoint endPoint, DirectoryInfo folder)
    {
        Server = server;
        EndPoint = endPoint;
        _folder = folder;
    }

    public ServerProcess Server { get; }

    public IPEndPoint EndPoint { get; }

    public string Id => Server.Id.ToString(CultureInfo.InvariantCulture);

    public string AdminPath => PathIn(_folder);

    public static async Task<WatchedEcho> StartAsync(bool isAdministered = true, params string[] arguments)
    {
        var folder = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            string[] all = ["--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0", .. isAdministered ? [$"--Peregrine:Admin:Socket={PathIn(folder)}"] : Array.Empty<string>(), .. arguments];
            var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", all);
            return new WatchedEcho(server, endPoint, folder);
        }
        catch
        {
            folder.Delete(recursive: true);
            throw;
        }
    }

    /// <summary>Other users may come as far as the socket.</summary>
    public void OpenFolder()
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_folder.FullName, (UnixFileMode)0b111_101_101);
        }
    }

    /// <summary>A client that has had so many bytes echoed.</summary>
    public async Task<Socket> ConnectAsync(int bytes)
    {
        var client = new Socket(EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _clients.Add(client);
        await client.ConnectAsync(EndPoint);
        await client.SendAsync(new byte[bytes]);
        var buffer = new byte[bytes];
        for (var received = 0; received < bytes;)
        {
            received += await client.ReceiveAsync(buffer.AsMemory(received));
        }

        return client;
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await Server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static string PathIn(DirectoryInfo folder) => Path.Combine(folder.FullName, "admin.sock");
}
