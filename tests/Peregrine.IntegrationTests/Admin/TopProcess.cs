using System.Diagnostics;

namespace Peregrine.IntegrationTests.Admin;

/// <summary>The tool peregrine-top, run to its end as a script runs it.</summary>
internal static class TopProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "samples", "peregrine-top", "peregrine-top.dll");

    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        })!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync().WaitAsync(Limit);
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    /// <summary>The output of one that has done what it was asked for.</summary>
    public static async Task<string> DoAsync(params string[] arguments)
    {
        var (exitCode, output, error) = await RunAsync(arguments);
        Assert.True(exitCode == 0, $"peregrine-top {string.Join(' ', arguments)} ended with {exitCode}: {error}");
        return output;
    }
}
