using System.Diagnostics;

namespace Peregrine.LoadTest.Processes;

/// <summary>The contestants in C, compiled into a folder that is deleted with this.</summary>
internal sealed class LimitPrograms : IDisposable
{
    private readonly DirectoryInfo _folder;

    private LimitPrograms(DirectoryInfo folder) => _folder = folder;

    /// <summary>The path of one, by its name: that of its source without the ending.</summary>
    public string PathOf(string program) => Path.Combine(_folder.FullName, program);

    /// <summary>Null, and why, where they cannot be compiled.</summary>
    public static LimitPrograms? TryCompile(out string problem)
    {
        problem = "";
        if (!SearchPath.Has("cc"))
        {
            problem = "there is no C compiler: install one that is called cc (the package gcc).";
            return null;
        }

        var programs = new LimitPrograms(Directory.CreateTempSubdirectory("peregrine-limit-"));
        foreach (var source in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "limit"), "*.c"))
        {
            var program = programs.PathOf(Path.GetFileNameWithoutExtension(source));
            using var compiler = Process.Start(new ProcessStartInfo("cc", ["-O2", "-o", program, source]))!;
            compiler.WaitForExit();
            if (compiler.ExitCode != 0)
            {
                programs.Dispose();
                problem = $"cc could not compile limit/{Path.GetFileName(source)}.";
                return null;
            }
        }

        return programs;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
