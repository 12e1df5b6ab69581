namespace Peregrine.IntegrationTests.Processes;

/// <summary>A test that needs <c>python3</c> and a module for it, where Debian's packages or <c>PYTHONPATH</c> have it.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiresPythonModuleFactAttribute : RequiresProgramFactAttribute
{
    public RequiresPythonModuleFactAttribute(string module)
        : base("python3")
    {
        string[] folders = ["/usr/lib/python3/dist-packages", .. (Environment.GetEnvironmentVariable("PYTHONPATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)];
        if (!AreProgramsRequired && Skip is null && !folders.Any(folder => Directory.Exists(Path.Combine(folder, module))))
        {
            Skip = $"Needs python3-{module}, which is not installed.";
        }
    }
}
