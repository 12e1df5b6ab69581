using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Echo;

/// <summary>Sends every byte back, until the peer's FIN. When the server stops, it answers what has arrived and ends.</summary>
internal sealed class EchoHandler : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var output = connection.Transport.Output;
        var closeRequested = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var wakeUp = closeRequested.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), input);

        var ending = false;
        while (true)
        {
            if (!input.TryRead(out var read))
            {
                if (ending)
                {
                    return;
                }

                read = await input.ReadAsync();
            }

            ending |= read.IsCanceled;
            var flushed = default(FlushResult);
            foreach (var segment in read.Buffer)
            {
                flushed = await output.WriteAsync(segment);
            }

            input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted || flushed.IsCompleted)
            {
                return;
            }
        }
    }
}
