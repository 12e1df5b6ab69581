using System.Diagnostics;

namespace Peregrine.LoadTest.Processes;

/// <summary>The contestant in C, compiled into a folder that is deleted with this.</summary>
internal sealed class LimitProgram : IDisposable
{
    private readonly DirectoryInfo _folder;

    private LimitProgram(DirectoryInfo folder) => _folder = folder;

    public string FilePath => Path.Combine(_folder.FullName, "limit");

    /// <summary>Null, and why, where it cannot be compiled.</summary>
    public static LimitProgram? TryCompile(out string problem)
    {
        problem = "";
        if (!SearchPath.Has("cc"))
        {
            problem = "there is no C compiler: install one that is called cc (the package gcc).";
            return null;
        }

        var program = new LimitProgram(Directory.CreateTempSubdirectory("peregrine-limit-"));
        var source = Path.Combine(AppContext.BaseDirectory, "limit", "limit.c");
        using var compiler = Process.Start(new ProcessStartInfo("cc", ["-O2", "-o", program.FilePath, source]))!;
        compiler.WaitForExit();
        if (compiler.ExitCode == 0)
        {
            return program;
        }

        program.Dispose();
        problem = "cc could not compile limit/limit.c.";
        return null;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
