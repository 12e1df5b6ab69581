using System.Globalization;

namespace Peregrine.LoadTest.Driving;

/// <summary>The server's process is not ours to ask: the one that started both passes questions and answers on.</summary>
internal static class ServerAnswers
{
    /// <exception cref="InvalidDataException">There was no answer.</exception>
    public static async Task<long> AskAsync(string question, CancellationToken cancellationToken)
    {
        Console.WriteLine(question);
        return long.TryParse(await Console.In.ReadLineAsync(cancellationToken), CultureInfo.InvariantCulture, out var answer)
            ? answer : throw new InvalidDataException("The server's process did not answer.");
    }
}
