using Microsoft.AspNetCore.Connections;

namespace Peregrine.LoadTest.Contestants;

/// <summary>The sink, for every contestant that takes a ConnectionHandler.</summary>
internal sealed class SinkHandler : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var ended = false;
        while (!ended)
        {
            var read = await input.ReadAsync();
            SinkCount.Add(read.Buffer.Length);
            ended = read.IsCompleted || read.IsCanceled;
            input.AdvanceTo(read.Buffer.End);
        }
    }
}
