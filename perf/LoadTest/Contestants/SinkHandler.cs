using System.Buffers.Binary;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.LoadTest.Contestants;

/// <summary>The sink, for every contestant that takes a ConnectionHandler.</summary>
internal sealed class SinkHandler : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var received = 0L;
        var ended = false;
        while (!ended)
        {
            var read = await input.ReadAsync();
            received += read.Buffer.Length;
            ended = read.IsCompleted;
            input.AdvanceTo(read.Buffer.End);
        }

        var output = connection.Transport.Output;
        BinaryPrimitives.WriteInt64LittleEndian(output.GetSpan(sizeof(long)), received);
        output.Advance(sizeof(long));
        await output.FlushAsync();
    }
}
