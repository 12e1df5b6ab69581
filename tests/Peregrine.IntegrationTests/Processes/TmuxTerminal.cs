namespace Peregrine.IntegrationTests.Processes;

/// <summary>A terminal in which a program runs, by a tmux of its own (tmux(1)). Disposed, it is gone, and what runs in it.</summary>
internal sealed class TmuxTerminal : IAsyncDisposable
{
    /// <summary>A shell that shows nothing but <c>$</c> while it waits for a line.</summary>
    public const string Shell = "env PS1='$ ' ENV= sh";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly string _socket = Path.Combine(Path.GetTempPath(), $"peregrine-{Guid.NewGuid():N}.tmux");

    private TmuxTerminal()
    {
    }

    /// <param name="width">In characters.</param>
    /// <param name="height">In lines.</param>
    /// <param name="command">The program. When it ends, the terminal is gone.</param>
    public static async Task<TmuxTerminal> StartAsync(int width, int height, string command)
    {
        var terminal = new TmuxTerminal();

        // -u, since a program that writes UTF-8 is tested, whatever the locale of the test is.
        await ClientProcess.RunShellAsync($"LC_ALL=C.UTF-8 {terminal.Command($"-u -f /dev/null new-session -d -x {width} -y {height} \"{command}\"")}");
        return terminal;
    }

    /// <summary>Presses a key, by the name that tmux has for it.</summary>
    public Task PressAsync(string key) => RunAsync($"send-keys '{key}'");

    /// <summary>Types text as it is.</summary>
    public Task TypeAsync(string text) => RunAsync($"send-keys -l '{text}'");

    /// <summary>Types a line, and Enter.</summary>
    public async Task EnterAsync(string line)
    {
        await TypeAsync(line);
        await PressAsync("Enter");
    }

    /// <summary>Looks at the screen until it holds; it is then returned.</summary>
    public async Task<string> UntilAsync(Func<string, bool> holds)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            var screen = await RunAsync("capture-pane -p");
            if (holds(screen))
            {
                return screen;
            }

            Assert.False(limit.IsCancellationRequested, $"The screen is still:\n{screen}");
            await Task.Delay(Interval, TimeProvider.System);
        }
    }

    /// <summary>The same for its lines.</summary>
    public async Task<string[]> UntilLinesAsync(Func<string[], bool> hold) => (await UntilAsync(screen => hold(screen.Split('\n')))).Split('\n');

    /// <summary>Completes when the program has ended, and the terminal with it.</summary>
    public async Task WhenEndedAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        while (await ClientProcess.RunShellAsync($"{Command("has-session")} >/dev/null 2>&1 && echo there || true") != "")
        {
            Assert.False(limit.IsCancellationRequested, "The program did not end.");
            await Task.Delay(Interval, TimeProvider.System);
        }
    }

    /// <summary>Whether it shows the screen and the cursor that it had before a program took the whole of it.</summary>
    public async Task<bool> IsRestoredAsync() => (await RunAsync("display-message -p '#{alternate_on} #{cursor_flag}'")).Trim() == "0 1";

    public async ValueTask DisposeAsync()
    {
        // Its program may have ended.
        await ClientProcess.RunShellAsync($"{Command("kill-server")} >/dev/null 2>&1 || true");
        File.Delete(_socket);
    }

    private Task<string> RunAsync(string command) => ClientProcess.RunShellAsync(Command(command));

    private string Command(string command) => $"env -u TMUX tmux -S {_socket} {command}";
}
