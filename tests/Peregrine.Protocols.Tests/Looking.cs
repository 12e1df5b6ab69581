using System.Buffers;

namespace Peregrine.Protocols.Tests;

/// <summary>How often a format looks at the same bytes.</summary>
internal static class Looking
{
    /// <summary>
    /// Gives a format more and more of a message that does not end, and sees that it looks at what is new, and says so: what it has looked at before is changed
    /// to bytes that it would not pass over.
    /// </summary>
    /// <param name="format">One that is looked through.</param>
    /// <param name="of">What the message is made of.</param>
    /// <param name="lookedTwice">So many bytes may be looked at again: half of a mark.</param>
    /// <param name="begin">What the message begins with.</param>
    public static void IsOnce(IMessageReader<ReadOnlySequence<byte>> format, byte of, int lookedTwice, params byte[] begin)
    {
        const int Length = 2000;
        byte[] bytes = [.. begin, .. Enumerable.Repeat(of, Length)];
        var looked = 0;
        for (var length = Math.Max(1, begin.Length); length <= bytes.Length; length++)
        {
            var input = new ReadOnlySequence<byte>(bytes, 0, length);
            var consumed = input.Start;
            var examined = input.GetPosition(looked);
            Assert.False(format.TryParse(input, ref consumed, ref examined, out _));
            Assert.Equal(input.Start, consumed);
            looked = examined.GetInteger();
            Assert.InRange(looked, length - lookedTwice, length);

            // What was looked at ends every message of every format, should it be looked at again.
            if (looked > 20)
            {
                "\r\n\0]}\"\r\n"u8.CopyTo(bytes);
            }
        }
    }
}
