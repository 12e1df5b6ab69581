namespace Peregrine.LoadTest.Processes;

/// <summary>The cores of this process, shared out between server and client.</summary>
internal static class Cores
{
    /// <summary>The first core for the server, the others for the client, as taskset(1) takes them; or what is wrong.</summary>
    public static (string Server, string Client)? TryShare(out string problem)
    {
        problem = "";
        if (!SearchPath.Has("taskset"))
        {
            problem = "--pin needs taskset, which is not installed: install util-linux, or leave --pin out.";
            return null;
        }

        var allowed = Allowed();
        if (allowed.Count < 2)
        {
            problem = "--pin needs two cores, and this process may use one: leave --pin out.";
            return null;
        }

        return ($"{allowed[0]}", string.Join(',', allowed.Skip(1)));
    }

    // proc_pid_status(5): "Cpus_allowed_list: 0-3,6".
    private static List<int> Allowed()
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal));
        return [.. line.Split(':')[1].Trim().Split(',').SelectMany(Range)];
    }

    private static IEnumerable<int> Range(string text)
    {
        var bounds = text.Split('-');
        var first = int.Parse(bounds[0], System.Globalization.CultureInfo.InvariantCulture);
        var last = int.Parse(bounds[^1], System.Globalization.CultureInfo.InvariantCulture);
        return Enumerable.Range(first, last - first + 1);
    }
}
