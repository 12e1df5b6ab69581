using System.Buffers.Binary;
using System.Text;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Datagrams;

/// <summary>A real resolver asks a toy responder, whose handler is twenty lines.</summary>
public sealed class DnsTests
{
    [RequiresProgramFact("dig")]
    public async Task Dig_gets_an_address_over_IPv4_and_IPv6()
    {
        await using var server = await DatagramServer.StartAsync(AnswerAsync, url: "udp://*:0");
        var port = server.Address.Port;
        Assert.Equal("192.0.2.53\n", await ClientProcess.RunShellAsync($"dig @127.0.0.1 -p {port} +short +tries=1 +time=30 example.test A"));
        Assert.Equal("192.0.2.53\n", await ClientProcess.RunShellAsync($"dig @::1 -p {port} +short +tries=1 +time=30 example.test A"));

        // dig takes no answer from another address than the one that it has asked.
        Assert.Equal("192.0.2.53\n", await ClientProcess.RunShellAsync($"dig @127.0.0.53 -p {port} +short +tries=1 +time=30 example.test A"));
        Assert.Contains("status: NXDOMAIN", await ClientProcess.RunShellAsync($"dig @127.0.0.1 -p {port} +tries=1 +time=30 nothing.test A"), StringComparison.Ordinal);
    }

    [RequiresProgramFact("dig")]
    public async Task Two_hundred_questions_are_all_answered()
    {
        await using var server = await DatagramServer.StartAsync(AnswerAsync);
        var questions = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(questions, Enumerable.Range(0, 200).Select(number => $"name{number}.example.test A"));
            var answers = await ClientProcess.RunShellAsync($"dig @{server.Address.Address} -p {server.Address.Port} +short +tries=1 +time=30 -f {questions}");
            Assert.Equal(200, answers.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(line => line == "192.0.2.53"));
        }
        finally
        {
            File.Delete(questions);
        }
    }

    private static ValueTask AnswerAsync(DatagramBatch batch, DatagramSender sender)
    {
        Span<byte> answer = stackalloc byte[512];
        foreach (ref readonly var datagram in batch)
        {
            if (TryAnswer(datagram.Payload.Span, answer, out var size))
            {
                sender.TrySend(answer[..size], datagram.Path);
            }
        }

        return default;
    }

    /// <summary>192.0.2.53 for every name under example.test, and no such name for the others (RFC 1035 §4.1).</summary>
    private static bool TryAnswer(ReadOnlySpan<byte> question, Span<byte> answer, out int size)
    {
        const int HeaderSize = 12;
        size = 0;
        var end = HeaderSize;
        var name = new StringBuilder();
        while (end < question.Length && question[end] is > 0 and <= 63 and var length && end + 1 + length < question.Length)
        {
            name.Append(Encoding.ASCII.GetString(question.Slice(end + 1, length))).Append('.');
            end += 1 + length;
        }

        end += 1 + 4; // The root's label, QTYPE, QCLASS.
        if (end > question.Length || end + 16 > answer.Length)
        {
            return false;
        }

        var isKnown = name.ToString().EndsWith("example.test.", StringComparison.Ordinal);
        question[..end].CopyTo(answer);
        BinaryPrimitives.WriteUInt16BigEndian(answer[2..], (ushort)(isKnown ? 0x8400 : 0x8403)); // An authoritative answer; NXDOMAIN.
        BinaryPrimitives.WriteUInt16BigEndian(answer[6..], (ushort)(isKnown ? 1 : 0));
        BinaryPrimitives.WriteUInt32BigEndian(answer[8..], 0);
        size = end;
        if (isKnown)
        {
            // A pointer to the name, type A, class IN, a minute, four bytes.
            ReadOnlySpan<byte> record = [0xC0, HeaderSize, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53];
            record.CopyTo(answer[end..]);
            size += record.Length;
        }

        return true;
    }
}
