using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples.Resp;

/// <summary>The sample, on a port of its own.</summary>
internal static class RespServer
{
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    /// <param name="arguments">More settings.</param>
    public static Task<(ServerProcess Server, IPEndPoint EndPoint)> StartAsync(params string[] arguments) =>
        ServerProcess.StartListeningAsync("samples/Resp/Resp", ["--Peregrine:Endpoints:resp:Url=tcp://127.0.0.1:0", .. arguments]);

    public static async Task<Socket> ConnectAsync(EndPoint endPoint)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint).WaitAsync(Limit);
        return socket;
    }

    /// <summary>Sends bytes, and receives as many as are expected.</summary>
    public static async Task ShowAsync(Socket client, string sent, string expected)
    {
        await client.SendAsync(Encoding.Latin1.GetBytes(sent)).WaitAsync(Limit);
        Assert.Equal(expected, await ReceiveAsync(client, expected.Length));
    }

    public static async Task<string> ReceiveAsync(Socket client, int count)
    {
        var bytes = new byte[count];
        var received = 0;
        while (received < count && await client.ReceiveAsync(bytes.AsMemory(received)).AsTask().WaitAsync(Limit) is > 0 and var length)
        {
            received += length;
        }

        return Encoding.Latin1.GetString(bytes, 0, received);
    }

    public static async Task<string> ReceiveToTheEndAsync(Socket client)
    {
        var received = new StringBuilder();
        while (await ReceiveAsync(client, 1) is { Length: > 0 } next)
        {
            received.Append(next);
        }

        return received.ToString();
    }
}
