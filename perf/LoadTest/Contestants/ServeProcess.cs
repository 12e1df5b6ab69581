using System.Globalization;

namespace Peregrine.LoadTest.Contestants;

/// <summary>The process of a managed contestant. It prints its port, answers questions on standard input, and ends with that.</summary>
internal static class ServeProcess
{
    /// <summary>How many bytes the process has allocated so far.</summary>
    public const string AllocatedQuestion = "allocated";

    public static async Task<int> RunAsync(Contestant contestant, Service service)
    {
        var server = await contestant.StartAsync!(service);
        Console.WriteLine(server.Port.ToString(CultureInfo.InvariantCulture));
        while (await Console.In.ReadLineAsync() is { } question)
        {
            // Precise, because each thread allocates from a block of its own that is counted as a whole otherwise.
            Console.WriteLine(question == AllocatedQuestion ? GC.GetTotalAllocatedBytes(precise: true).ToString(CultureInfo.InvariantCulture) : "");
        }

        await server.StopAsync();
        return 0;
    }
}
