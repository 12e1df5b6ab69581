using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Protocols;
using Resp.Commands;

namespace Resp;

/// <summary>
/// One connection: reads commands, and answers all that one read has brought with one flush. When the server stops, it answers what has arrived and ends.
/// </summary>
internal sealed class RespHandler(CommandTable commands, Subscriptions subscriptions, Clients clients, RespServerOptions options) : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var closeRequested = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var wakeUp = closeRequested.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), input);

        var session = new Session(connection, clients.Add(), options);
        try
        {
            await AnswerAllAsync(new MessageReader<RespCommand>(input, new RespCommandReader()), input, session);
        }
        finally
        {
            clients.Remove();
            subscriptions.RemoveAll(session);
            await session.EndAsync();
        }
    }

    private async Task AnswerAllAsync(MessageReader<RespCommand> reader, PipeReader input, Session session)
    {
        var isStopping = false;
        while (!session.IsEnding)
        {
            try
            {
                var arrives = reader.WaitToReadAsync();
                if (isStopping && !arrives.IsCompleted)
                {
                    // Nothing that has arrived is left.
                    input.CancelPendingRead();
                }

                if (!await arrives)
                {
                    return;
                }
            }
            catch (OperationCanceledException) when (!isStopping)
            {
                isStopping = true;
                continue;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (MessageTruncatedException)
            {
                // Gone in the middle of a command.
                return;
            }

            Answer(reader, session);
            var flushed = await session.FlushAsync();
            if (flushed.IsCompleted)
            {
                return;
            }
        }
    }

    /// <summary>Answers the commands of one read, or so many of them that their answers are to be sent first.</summary>
    private void Answer(MessageReader<RespCommand> reader, Session session)
    {
        try
        {
            while (!session.IsEnding && !session.HasMuchToSend && reader.TryRead(out var command))
            {
                commands.Execute(session, command);
            }
        }
        catch (MessageFormatException exception)
        {
            // Where the next command begins is not known any more.
            session.Reply.WriteError($"ERR {exception.Message}");
            session.End();
        }
    }
}
