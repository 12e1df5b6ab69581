using System.Diagnostics;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>A client program that runs to its end.</summary>
internal static class ClientProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>Runs a shell command, and returns what it printed.</summary>
    public static async Task<string> RunShellAsync(string command, string? workingDirectory = null)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", command])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = workingDirectory ?? AppContext.BaseDirectory,
        })!;
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(Limit);
            await process.WaitForExitAsync().WaitAsync(Limit);
            Assert.True(process.ExitCode == 0, $"{command} ended with {process.ExitCode}: {output}");
            return output;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
