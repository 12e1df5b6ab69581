namespace Peregrine.IntegrationTests.Processes;

/// <summary>As <see cref="RequiresProgramFactAttribute"/>, and <see cref="NetworkNamespaces"/> too, which need rights that not every system gives.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresNamespacesFactAttribute : RequiresProgramFactAttribute
{
    public RequiresNamespacesFactAttribute(params string[] programs)
        : base([.. programs, "ip", "tc"])
    {
        if (Skip is null && !AreProgramsRequired && NetworkNamespaces.Problem is { } problem)
        {
            Skip = $"Needs network namespaces, which cannot be made here: {problem}";
        }
    }
}
