using System.Diagnostics;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>A test that needs strace to attach to another process, which a container may forbid (ptrace(2)).</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiresTracingFactAttribute : RequiresProgramFactAttribute
{
    private static readonly Lazy<bool> s_isAllowed = new(IsAllowed);

    public RequiresTracingFactAttribute()
        : base("strace")
    {
        if (Skip is null && Environment.GetEnvironmentVariable("PEREGRINE_REQUIRE_PROGRAMS") != "1" && !s_isAllowed.Value)
        {
            Skip = "strace may not attach to a process here.";
        }
    }

    private static bool IsAllowed()
    {
        using var target = Process.Start("sleep", "10");
        try
        {
            using var tracer = Process.Start(new ProcessStartInfo("strace", ["-p", $"{target.Id}"]) { RedirectStandardError = true })!;
            var line = tracer.StandardError.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(5)).GetAwaiter().GetResult();
            tracer.Kill();
            tracer.WaitForExit();
            return line?.Contains("attached", StringComparison.Ordinal) == true && !line.Contains("Could not", StringComparison.Ordinal);
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            target.Kill();
            target.WaitForExit();
        }
    }
}
