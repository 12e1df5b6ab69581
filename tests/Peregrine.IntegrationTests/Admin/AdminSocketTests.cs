using Peregrine.IntegrationTests.Ends;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Admin;

/// <summary>The admin socket of a server, seen by other users of the machine.</summary>
public sealed class AdminSocketTests
{
    // Of Debian, nobody and nogroup.
    private const string AsNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";

    [OtherUserFact]
    public async Task Another_user_may_not_connect_and_is_not_served_where_the_files_mode_was_changed()
    {
        await using var echo = await WatchedEcho.StartAsync();
        echo.OpenFolder();
        const string Ask = """printf '{"request":"server"}\n'""";
        Assert.Contains("Permission denied", await ShellAsync($"{Ask} | {AsNobody} nc -U -N -w 10 {echo.AdminPath} 2>&1 || true"), StringComparison.Ordinal);
        Assert.Contains("\"Running\"", await ShellAsync($"{Ask} | nc -U -N -w 10 {echo.AdminPath}"), StringComparison.Ordinal);

        await ShellAsync($"chmod 0666 {echo.AdminPath}");
        var answer = await ShellAsync($"{Ask} | {AsNobody} nc -U -N -w 10 {echo.AdminPath} 2>&1 || true");
        Assert.Contains("\"forbidden\"", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Running", answer, StringComparison.Ordinal);

        // What is logged comes by another way than the answer.
        Assert.True(SpinWait.SpinUntil(() => echo.Server.Output.Contains("another user", StringComparison.Ordinal), RealServer.Limit), echo.Server.Output);
        Assert.Contains("\"Running\"", await ShellAsync($"{Ask} | nc -U -N -w 10 {echo.AdminPath}"), StringComparison.Ordinal);
    }

    [RequiresTracingFact]
    public async Task There_is_no_moment_in_which_the_file_has_another_mode()
    {
        var folder = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            // A umask that takes nothing away: what the file is made with is what the socket has.
            var path = Path.Combine(folder.FullName, "admin.sock");
            var trace = Path.Combine(folder.FullName, "trace");
            var (server, _) = await ServerProcess.StartListeningAsync(
                "Echo",
                ["--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0", $"--Peregrine:Admin:Socket={path}"],
                ["sh", "-c", $"umask 0; exec strace -f -o {trace} -e trace=bind,fchmod,chmod,listen \"$@\"", "sh"]);
            await using var _ = server;
            var calls = (await File.ReadAllLinesAsync(trace)).ToList();
            var bind = calls.FindIndex(call => call.Contains("admin.sock", StringComparison.Ordinal) && call.Contains("bind(", StringComparison.Ordinal));
            Assert.True(bind > 0, string.Join('\n', calls));
            var descriptor = calls[bind][(calls[bind].IndexOf("bind(", StringComparison.Ordinal) + 5)..].Split(',')[0];
            Assert.Contains(calls[..bind], call => call.Contains($"fchmod({descriptor}, 0600)", StringComparison.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Task<string> ShellAsync(string command) => ClientProcess.RunShellAsync(command);

    /// <summary>Only root can run something as another user.</summary>
    private sealed class OtherUserFactAttribute : RequiresProgramFactAttribute
    {
        public OtherUserFactAttribute()
            : base("setpriv", "nc")
        {
            if (Skip is null && !Environment.IsPrivilegedProcess)
            {
                Skip = "Needs root, to run a program as another user.";
            }
        }
    }
}
