using System.Globalization;
using Peregrine.LoadTest.Contestants;

namespace Peregrine.LoadTest.Processes;

/// <summary>A contestant that runs, as a process of its own. Disposed, it is gone.</summary>
internal sealed class ServerProcess : IDisposable
{
    /// <summary>Of the command that serves.</summary>
    public const string TlsOption = "--tls";

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    private readonly ChildProcess _process;

    private ServerProcess(ChildProcess process) => _process = process;

    public int Id => _process.Id;

    public int Port { get; private set; }

    /// <summary>Starts it and waits until it listens.</summary>
    /// <param name="limits">Where the contestants in C are.</param>
    /// <exception cref="InvalidDataException">It did not start.</exception>
    public static async Task<ServerProcess> StartAsync(
        Contestant contestant, Service service, bool tls, LimitPrograms? limits, string? cores, CancellationToken cancellationToken)
    {
        // In small letters: those in C know them so.
        var name = service switch { Service.Echo => "echo", Service.Sink => "sink", Service.Answer => "answer", Service.Source => "source", _ => "broadcast" };
        string[] options = tls ? [TlsOption] : [];
        string[] command = contestant.Program is [var program, .. var arguments]
            ? [limits!.PathOf(program), name, .. arguments] : ChildProcess.Self(["serve", contestant.Name, name, .. options]);
        var server = new ServerProcess(ChildProcess.Start(command, cores, contestant.InlineCompletions));
        try
        {
            var line = await server.ReadAsync(cancellationToken);
            server.Port = int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
                ? port : throw new InvalidDataException("it did not start.");
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>Asks a <see cref="ServerQuestion"/>.</summary>
    public async Task<string> AskAsync(string question, CancellationToken cancellationToken)
    {
        await _process.Input.WriteLineAsync(question);
        await _process.Input.FlushAsync(cancellationToken);
        return await ReadAsync(cancellationToken) ?? throw new InvalidDataException("it ended.");
    }

    public Task StopAsync() => _process.StopAsync();

    public void Dispose() => _process.Dispose();

    private async Task<string?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _process.Output.ReadLineAsync(cancellationToken).AsTask().WaitAsync(AnswerLimit, cancellationToken);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }
}
