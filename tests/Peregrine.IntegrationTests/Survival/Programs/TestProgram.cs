namespace Peregrine.IntegrationTests.Survival.Programs;

/// <summary>This assembly as a program, for what must be a process of its own.</summary>
internal static class TestProgram
{
    /// <summary>Its assembly, to be started like a sample.</summary>
    public const string Assembly = "Peregrine.IntegrationTests";

    private static Task<int> Main(string[] arguments) => arguments switch
    {
        [SoakServer.Name] => SoakServer.RunAsync(),
        [StarvedPool.Name] => StarvedPool.RunAsync(),
        [IdleClients.Name, var port, var count] => IdleClients.RunAsync(int.Parse(port, null), int.Parse(count, null)),
        _ => Task.FromResult(2),
    };
}
