namespace Peregrine.Protocols.Tests.Fuzz;

/// <summary>Makes inputs of whole messages: some behind each other, and mostly not right any more. The same for a seed each time.</summary>
internal sealed class Mutations(IReadOnlyList<byte[]> samples, int seed)
{
    private const int MaxLength = 200;

    /// <summary>Bytes that mean something: those of the messages, and limits of numbers.</summary>
    private readonly byte[] _telling = [.. samples.SelectMany(sample => sample).Distinct(), 0x00, 0x01, 0x7F, 0x80, 0xFF, .. "09-\r\n"u8];
    private readonly Random _random = new(seed);

    public byte[] Next()
    {
        var input = new List<byte>();
        for (var messages = _random.Next(1, 6); messages > 0; messages--)
        {
            input.AddRange(samples[_random.Next(samples.Count)]);
        }

        for (var changes = _random.Next(5); changes > 0; changes--)
        {
            Change(input);
        }

        return [.. input.Take(MaxLength)];
    }

    private void Change(List<byte> input)
    {
        var at = _random.Next(input.Count + 1);
        var count = _random.Next(Math.Min(input.Count - at, 8) + 1);
        switch (_random.Next(8))
        {
            case 0 when at < input.Count:
                input[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < input.Count:
                input[at] = (byte)_random.Next(256);
                break;
            case 2 when at < input.Count:
                input[at] = Telling();
                break;
            case 3:
                input.Insert(at, Telling());
                break;
            case 4:
                input.RemoveRange(at, count);
                break;
            case 5: // Says a part of it twice.
                input.InsertRange(at, input.GetRange(at, count));
                break;
            case 6: // A run of one byte, which may be longer than a message.
                input.InsertRange(at, Enumerable.Repeat(Telling(), _random.Next(100)));
                break;
            default:
                input.RemoveRange(at, input.Count - at);
                break;
        }
    }

    private byte Telling() => _telling[_random.Next(_telling.Length)];
}
