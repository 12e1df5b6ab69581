using Microsoft.Extensions.Logging;
using Peregrine.Protocols;

namespace Readings;

/// <summary>Handles the requests of one connection.</summary>
public sealed class ReadingsHandler(Measurements measurements, ILogger<ReadingsHandler> log) : MessageHandler<Request, Answer>
{
    private int _misunderstood;

    public override async ValueTask OnMessageAsync(MessageContext<Answer> context, Request message)
    {
        if (message.Kind == RequestKind.Measured)
        {
            measurements.Add(message.Sensor, message.Hundredths);
            return;
        }

        await context.WriteAsync(measurements.Of(message.Sensor));
    }

    public override async ValueTask<MessageErrorAction> OnErrorAsync(MessageContext<Answer> context, MessageError problem)
    {
        if (!problem.IsPeers)
        {
            return MessageErrorAction.Throw;
        }

        // Newer clients may say what is not known here yet: that much is answered, and no more.
        log.LogDebug("{Connection}: {Problem}", context.Connection.ConnectionId, problem.Exception.Message);
        await context.WriteAsync(new Answer(Sensor: 0));
        return ++_misunderstood < 10 ? MessageErrorAction.Skip : MessageErrorAction.Close;
    }
}
