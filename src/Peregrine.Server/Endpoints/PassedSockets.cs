using System.Globalization;

namespace Peregrine.Server.Endpoints;

/// <summary>
/// The listening sockets that the process was started with, by the protocol of sd_listen_fds(3): descriptors from 3 on, LISTEN_FDS of them, for
/// the process LISTEN_PID, with their names (FileDescriptorName= of systemd.socket(5)) in LISTEN_FDNAMES.
/// </summary>
internal sealed class PassedSockets
{
    private const int First = 3; // SD_LISTEN_FDS_START
    private const string NoName = "unknown"; // sd_listen_fds_with_names(3)

    /// <summary>Those of this process.</summary>
    public static readonly PassedSockets Current = new(Environment.GetEnvironmentVariable, Environment.ProcessId);

    private readonly string? _problem;

    public PassedSockets(Func<string, string?> environment, int processId)
    {
        var passedTo = environment("LISTEN_PID");
        var count = environment("LISTEN_FDS");
        var names = environment("LISTEN_FDNAMES");
        if (string.IsNullOrEmpty(count) || string.IsNullOrEmpty(passedTo))
        {
            _problem = "no sockets were passed to this process (LISTEN_PID and LISTEN_FDS are not set); start it by its .socket unit, or use a tcp:// or unix: url";
        }
        else if (passedTo != processId.ToString(CultureInfo.InvariantCulture))
        {
            _problem = $"the sockets were passed to the process {passedTo} (LISTEN_PID), and this is {processId}; start the program itself, without a shell or dotnet run between";
        }
        else if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var passed) || passed > int.MaxValue - First)
        {
            _problem = $"LISTEN_FDS = \"{count}\" is not a number of sockets";
        }
        else
        {
            var each = names is null ? [.. Enumerable.Repeat(NoName, passed)] : names.Split(':');
            if (each.Length == passed)
            {
                All = [.. each.Select((name, index) => (name, First + index))];
            }
            else
            {
                _problem = $"LISTEN_FDNAMES = \"{names}\" does not name each of the {passed} sockets of LISTEN_FDS";
            }
        }
    }

    /// <summary>Their names, which need not differ, and their descriptors.</summary>
    public IReadOnlyList<(string Name, int Descriptor)> All { get; } = [];

    /// <summary>The descriptors of a name.</summary>
    /// <param name="name">As it was passed.</param>
    /// <param name="problem">Why there are none, as the end of a sentence.</param>
    public IReadOnlyList<int> Find(string name, out string? problem)
    {
        var found = All.Where(socket => socket.Name == name).Select(socket => socket.Descriptor).ToList();
        problem = found.Count > 0 ? null
            : _problem ?? $"no socket was passed with the name \"{name}\"; there are {string.Join(", ", All.Select(socket => $"\"{socket.Name}\""))}";
        return found;
    }
}
