using Microsoft.AspNetCore.Connections;

namespace Peregrine.LoadTest.Contestants;

/// <summary>One answer to whatever is asked, and the end of the connection.</summary>
internal sealed class AnswerHandler : ConnectionHandler
{
    public const int SizeInBytes = 1_000_000;

    private static readonly byte[] Answer = new byte[SizeInBytes];

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var read = await connection.Transport.Input.ReadAsync();
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        await connection.Transport.Output.WriteAsync(Answer);
    }
}
