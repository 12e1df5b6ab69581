using System.Buffers;
using System.Buffers.Binary;
using Peregrine.Protocols;

namespace Readings;

/// <summary>Frames as those of the requests; in each a sensor (two bytes), a count, the lowest and the highest value (four each).</summary>
public sealed class AnswerWriter : IMessageWriter<Answer>
{
    private const int Body = 14;

    public void Write(Answer message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var frame = output.GetSpan(2 + Body);
        BinaryPrimitives.WriteUInt16BigEndian(frame, Body);
        BinaryPrimitives.WriteUInt16BigEndian(frame[2..], message.Sensor);
        BinaryPrimitives.WriteUInt32BigEndian(frame[4..], message.Count);
        BinaryPrimitives.WriteInt32BigEndian(frame[8..], message.Lowest);
        BinaryPrimitives.WriteInt32BigEndian(frame[12..], message.Highest);
        output.Advance(2 + Body);
    }
}
