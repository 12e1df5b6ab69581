using System.Net;
using System.Net.Sockets;

namespace Peregrine.IntegrationTests.Survival.Programs;

/// <summary>Clients that say one byte, get it back, and stay until standard input ends.</summary>
internal static class IdleClients
{
    public const string Name = "idle-clients";

    public static async Task<int> RunAsync(int port, int count)
    {
        var clients = new List<Socket>(count);
        var answer = new byte[1];
        for (var i = 0; i < count; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            client.Connect(IPAddress.Loopback, port);
            client.Send([42]);
            if (client.Receive(answer) != 1)
            {
                return 1;
            }

            clients.Add(client);
        }

        Console.WriteLine($"holding {clients.Count}");
        await Console.In.ReadToEndAsync();
        clients.ForEach(static client => client.Dispose());
        return 0;
    }
}
