using System.Diagnostics;
using System.Globalization;
using Microsoft.Diagnostics.NETCore.Client;

namespace Peregrine.Top.Processes;

/// <summary>A process whose runtime can be asked for events: of this user, or of any for root.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">The name of what it runs: the assembly behind <c>dotnet</c>, or the program.</param>
/// <param name="IsPeregrine">Whether Peregrine is beside it; null where that cannot be seen, as of a single file.</param>
internal sealed record DotnetProcess(int Id, string Name, bool? IsPeregrine)
{
    private const string Assembly = "Peregrine.Server.dll";

    /// <summary>Those that can be watched, without this one.</summary>
    public static IReadOnlyList<DotnetProcess> List() =>
        [.. DiagnosticsClient.GetPublishedProcesses().Where(static id => id != Environment.ProcessId).Select(TryLook).OfType<DotnetProcess>().OrderBy(static process => process.Id)];

    /// <param name="wanted">An id, a name, or null for the only one there is.</param>
    /// <exception cref="ToolException">There is none, or more than one.</exception>
    public static DotnetProcess Choose(string? wanted)
    {
        if (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
        {
            return DiagnosticsClient.GetPublishedProcesses().Contains(id) && TryLook(id) is { } found ? found : throw Missing(id);
        }

        var named = List().Where(process => wanted is null ? process.IsPeregrine == true : process.Name.Equals(wanted, StringComparison.OrdinalIgnoreCase)).ToList();
        return named.Count == 1 ? named[0] : throw new ToolException(
            ExitCodes.NotFound,
            (named.Count, wanted) switch
            {
                (0, null) => "No process of this user is seen to run Peregrine; start one, run this as its user, or name it with --process ID.",
                (0, _) => $"No .NET process of this user is called \"{wanted}\"; \"peregrine-top ps\" lists those that there are.",
                _ => $"There are {named.Count}: {string.Join(", ", named.Select(process => $"{process.Id} ({process.Name})"))}; choose one with --process ID.",
            });
    }

    private static ToolException Missing(int id) =>
        !Exists(id) ? new ToolException(ExitCodes.NotFound, $"There is no process {id}; \"peregrine-top ps\" lists those that can be watched.")
        : !IsOwn(id) ? new ToolException(ExitCodes.NoPermission, $"Process {id} is another user's; run this as its user, or as root.")
        : new ToolException(
            ExitCodes.NotPeregrine,
            $"Process {id} is no .NET process, its diagnostics are off (DOTNET_EnableDiagnostics=0), or its TMPDIR is another; \"peregrine-top ps\" lists those that can be watched.");

    private static bool Exists(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Whether its owner's files can be read, where there is such a thing.</summary>
    private static bool IsOwn(int id)
    {
        try
        {
            return !OperatingSystem.IsLinux() || Environment.IsPrivilegedProcess || File.ResolveLinkTarget($"/proc/{id}/exe", returnFinalTarget: false) is not null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static DotnetProcess? TryLook(int id)
    {
        try
        {
            if (!OperatingSystem.IsLinux())
            {
                using var process = Process.GetProcessById(id);
                return new DotnetProcess(id, process.ProcessName, null);
            }

            // proc_pid_cmdline(5): behind dotnet, the assembly is the first that is named as one.
            var arguments = File.ReadAllText($"/proc/{id}/cmdline").Split('\0');
            var program = arguments.FirstOrDefault(static argument => argument.EndsWith(".dll", StringComparison.OrdinalIgnoreCase)) is { } assembly
                && Path.GetFileNameWithoutExtension(arguments[0]) == "dotnet" ? assembly : arguments[0];
            return new DotnetProcess(id, Path.GetFileNameWithoutExtension(program), HasPeregrine(id, program));
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            return null; // It is gone.
        }
    }

    /// <summary>By what is beside the program: assemblies that are loaded need not be among the files that a process has mapped.</summary>
    private static bool? HasPeregrine(int id, string program)
    {
        try
        {
            var folder = Path.GetDirectoryName(Path.Combine(File.ResolveLinkTarget($"/proc/{id}/cwd", returnFinalTarget: false)!.FullName, program))!;
            return File.Exists(Path.Combine(folder, Assembly)) ? true : Directory.EnumerateFiles(folder, "*.deps.json").Any() ? false : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
