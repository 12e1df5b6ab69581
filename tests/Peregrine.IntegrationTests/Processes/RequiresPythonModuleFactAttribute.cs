namespace Peregrine.IntegrationTests.Processes;

/// <summary>A test that needs a module of Debian's for Python, and the interpreter that it is for, which need not be the first one in the path.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiresPythonModuleFactAttribute : RequiresProgramFactAttribute
{
    public const string Interpreter = "/usr/bin/python3";

    public RequiresPythonModuleFactAttribute(string module)
        : base(Interpreter)
    {
        if (!AreProgramsRequired && Skip is null && !Directory.Exists(Path.Combine("/usr/lib/python3/dist-packages", module)))
        {
            Skip = $"Needs python3-{module}, which is not installed.";
        }
    }
}
