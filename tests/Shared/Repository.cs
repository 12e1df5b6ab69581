namespace Peregrine;

/// <summary>The files that the tests belong to.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string Read(params ReadOnlySpan<string> path) => File.ReadAllText(Path.Combine([Root, .. path]));

    /// <summary>A page of docs/ shows a sample's file, whole and as it is.</summary>
    public static void ShowsSample(string page, string sample, string file) =>
        Assert.Contains($"```csharp\n{Read("samples", sample, file)}```\n", Read("docs", page), StringComparison.Ordinal);

    private static string Find()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Framework.sln")))
        {
            directory = directory.Parent ?? throw new InvalidOperationException($"{AppContext.BaseDirectory} is not inside the repository.");
        }

        return directory.FullName;
    }
}
