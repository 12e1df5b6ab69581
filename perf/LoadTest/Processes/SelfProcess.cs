using System.Diagnostics;

namespace Peregrine.LoadTest.Processes;

/// <summary>This program as another process. Disposed, it is gone.</summary>
internal sealed class SelfProcess : IDisposable
{
    private readonly Process _process;

    private SelfProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public StreamReader Output => _process.StandardOutput;

    /// <param name="arguments">Its command line.</param>
    /// <param name="cores">The cores that it may use, as taskset(1) takes them; null for all.</param>
    /// <param name="inlineCompletions">Whether socket completions run on the event loops of that process.</param>
    public static SelfProcess Start(string[] arguments, string? cores, bool inlineCompletions)
    {
        string[] command = [Environment.ProcessPath!, .. EntryPoint(), .. arguments];
        if (cores is not null)
        {
            command = ["taskset", "-c", cores, .. command];
        }

        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (inlineCompletions)
        {
            start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
        }

        return new SelfProcess(Process.Start(start)!);
    }

    public async Task<bool> SucceedsAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode == 0;
    }

    /// <summary>Ends its standard input, which is how it is asked to stop, and waits.</summary>
    public async Task StopAsync()
    {
        _process.StandardInput.Close();
        try
        {
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));
        }
        catch (TimeoutException)
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
