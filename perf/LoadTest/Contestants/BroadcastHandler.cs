using System.Buffers;
using Microsoft.AspNetCore.Connections;
using Peregrine.Protocols;

namespace Peregrine.LoadTest.Contestants;

/// <summary>Every message of a connection goes to all others. A first one, without content, tells it that it is among the receivers.</summary>
internal sealed class BroadcastHandler : ConnectionHandler
{
    /// <summary>The bytes in front of each message: its length, with themselves.</summary>
    public const int HeaderLength = sizeof(int);

    private static readonly ConnectionRegistry Registry = new();
    private static readonly LengthFieldOptions Framing = new() { Width = HeaderLength, CountsHeader = true };
    private static readonly LengthFieldReader Reader = new(Framing);
    private static readonly IMessageWriter<ReadOnlySequence<byte>> Format = new LengthFieldWriter(Framing);

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(connection.Transport.Input, Reader);
        var writer = new MessageWriter(connection.Transport.Output);
        using var registered = Registry.Register(connection, writer);
        await writer.WriteAsync(ReadOnlySequence<byte>.Empty, Format);
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out var message))
            {
                await Registry.All.BroadcastAsync(message, Format, SlowReceiverPolicy.Skip, except: registered);
            }
        }

        await writer.EndAsync();
    }
}
