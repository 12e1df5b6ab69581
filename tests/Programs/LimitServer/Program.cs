using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// LimitServer MODE [SETTINGS]: an endpoint "test", whose url and limits are settings. "messages" answers each message of 16 bytes with itself, "source"
// sends without end, "hash" reads to the end and answers with the SHA-256 of what came, "hold" neither reads nor writes nor looks.
var builder = Host.CreateApplicationBuilder(args[1..]);
Func<ConnectionContext, Task> handler = args[0] switch
{
    "messages" => AnswerMessagesAsync,
    "source" => SendAsync,
    "hold" => _ => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System),
    _ => HashAsync,
};
builder.Services.AddPeregrine(server => server.Endpoint("test", tcp => tcp.Run(handler)));
await builder.Build().RunAsync();

static async Task AnswerMessagesAsync(ConnectionContext connection)
{
    const int Size = 16;
    var (input, output) = (connection.Transport.Input, connection.Transport.Output);
    while (await input.ReadAtLeastAsync(Size) is { Buffer.Length: >= Size } read)
    {
        var message = read.Buffer.Slice(0, Size);
        output.Write(message.ToArray());
        input.AdvanceTo(message.End);
        await output.FlushAsync();
    }
}

static async Task SendAsync(ConnectionContext connection)
{
    var block = new byte[64 * 1024];
    while (!(await connection.Transport.Output.WriteAsync(block)).IsCompleted)
    {
    }
}

static async Task HashAsync(ConnectionContext connection)
{
    using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    while (true)
    {
        var read = await connection.Transport.Input.ReadAsync();
        foreach (var segment in read.Buffer)
        {
            hash.AppendData(segment.Span);
        }

        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
        {
            await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(Convert.ToHexString(hash.GetHashAndReset())));
            return;
        }
    }
}
