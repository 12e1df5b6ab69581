namespace Peregrine.IntegrationTests.Processes;

/// <summary>
/// A test that needs programs of the system. One that is missing skips the test with the reason; where all must be there
/// (<c>PEREGRINE_REQUIRE_PROGRAMS=1</c>), it fails instead.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public class RequiresProgramFactAttribute : FactAttribute
{
    public RequiresProgramFactAttribute(params string[] programs)
    {
        var missing = programs.Where(program => !IsInstalled(program)).ToArray();
        if (missing.Length > 0 && !AreProgramsRequired)
        {
            Skip = $"Needs {string.Join(", ", missing)}, which is not installed.";
        }
    }

    protected static bool AreProgramsRequired => Environment.GetEnvironmentVariable("PEREGRINE_REQUIRE_PROGRAMS") == "1";

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}

/// <summary>A test of what only Linux has.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null : "Linux only.";
}
