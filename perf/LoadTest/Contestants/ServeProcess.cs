using System.Globalization;

namespace Peregrine.LoadTest.Contestants;

/// <summary>The process of a managed contestant. It prints its port, answers questions on standard input, and ends with that.</summary>
internal static class ServeProcess
{
    public static async Task<int> RunAsync(Contestant contestant, Service service, bool tls)
    {
        using var certificate = tls ? ServerCertificate.Create() : null;
        var server = await contestant.StartAsync!(service, certificate);
        Console.WriteLine(server.Port.ToString(CultureInfo.InvariantCulture));
        while (await Console.In.ReadLineAsync() is { } question)
        {
            // Precise, because each thread allocates from a block of its own that is counted as a whole otherwise.
            var answer = question == ServerQuestion.Allocated ? GC.GetTotalAllocatedBytes(precise: true) : SinkCount.Received;
            Console.WriteLine(answer.ToString(CultureInfo.InvariantCulture));
        }

        await server.StopAsync();
        return 0;
    }
}
