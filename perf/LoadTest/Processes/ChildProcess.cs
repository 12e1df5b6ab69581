using System.Diagnostics;

namespace Peregrine.LoadTest.Processes;

/// <summary>Another process, with its standard input and output. Disposed, it is gone.</summary>
internal sealed class ChildProcess : IDisposable
{
    private const string InlineCompletions = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    private readonly Process _process;

    private ChildProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public StreamReader Output => _process.StandardOutput;

    public StreamWriter Input => _process.StandardInput;

    /// <summary>This program, with other arguments.</summary>
    public static string[] Self(params IEnumerable<string> arguments) => [Environment.ProcessPath!, .. EntryPoint(), .. arguments];

    /// <param name="command">The program and its arguments.</param>
    /// <param name="cores">The cores that it may use, as taskset(1) takes them; null for all.</param>
    /// <param name="inlineCompletions">Whether socket completions run on the event loops of that process.</param>
    public static ChildProcess Start(string[] command, string? cores, bool inlineCompletions = false)
    {
        if (cores is not null)
        {
            command = ["taskset", "-c", cores, .. command];
        }

        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };

        // Also away, when it is set for us: it would make every contestant an inline one.
        start.Environment[InlineCompletions] = inlineCompletions ? "1" : null;
        return new ChildProcess(Process.Start(start)!);
    }

    /// <summary>Ends its standard input, which is how it is asked to stop, and waits.</summary>
    public async Task StopAsync()
    {
        try
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync().WaitAsync(StopLimit);
        }
        catch (Exception exception) when (exception is TimeoutException or IOException)
        {
            // Dispose ends it.
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    // Started by "dotnet x.dll", the process is dotnet, and the program its first argument.
    private static string[] EntryPoint() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
}
