namespace Peregrine.LoadTest.Processes;

internal static class SearchPath
{
    /// <summary>Whether a program of this name is installed.</summary>
    public static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}
