using System.Buffers;
using Peregrine.Protocols.Tests.Json;

namespace Peregrine.Protocols.Tests.Messages;

/// <summary>What every reader does that stands on another.</summary>
public sealed class InnerFramingTests
{
    [Fact]
    public void What_the_framing_has_rented_is_given_back()
    {
        var framing = new Renting();
        IMessageReader<string> text = new TextMessageReader(framing);
        text.ReturnBuffers();
        Assert.Equal(1, framing.Returns);
        IMessageReader<Order> json = new JsonMessageReader<Order>(framing, OrderContext.Default.Order);
        json.ReturnBuffers();
        Assert.Equal(2, framing.Returns);
    }

    private sealed class Renting : IMessageReader<ReadOnlySequence<byte>>
    {
        public int Returns { get; private set; }

        public bool TryParse(
            scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
        {
            message = default;
            return false;
        }

        public void ReturnBuffers() => Returns++;
    }
}
